"""Seconds per report while other programs use the cores, with and without the setting for waiting threads.

    python Testing/Benchmarks/busy_machine.py [--reports 5]

Each row runs in a process of its own, which writes reports about the sample case with as many threads as there are
cores. The first report, which loads the model, does not count. The other programs are loops that never wait.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

DEFAULT, PRESENT = "default of GNU OpenMP", "as configured"
SETTINGS = (DEFAULT, PRESENT)
VARIABLES = ("OMP_NUM_THREADS", "GOMP_SPINCOUNT")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reports", type=int, default=5, help="number of reports that count")
    parser.add_argument("--setting", choices=SETTINGS, help=argparse.SUPPRESS)  # of the process that writes
    options = parser.parse_args()
    if options.setting:
        print(seconds_per_report(options.setting, options.reports))
        return
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    print(f"{os.cpu_count()} cores\n\n| other programs | waiting threads | seconds per report |\n|---|---|---|")
    for count in range(3):
        for setting in SETTINGS:
            command = [sys.executable, __file__, f"--reports={options.reports}", f"--setting={setting}"]
            with busy_programs(count):
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
            print(f"| {count} | {setting} | {float(done.stdout.splitlines()[-1]):.1f} |", flush=True)


@contextlib.contextmanager
def busy_programs(count: int) -> Iterator[None]:
    programs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def seconds_per_report(setting: str, reports: int) -> float:
    """Return the median of the seconds that reports take."""
    from reg2rg.runtime.third_party import configure_libraries

    if setting == PRESENT:
        configure_libraries()
    import reg2rg

    ct, regions = reg2rg.sample_case()
    seconds = []
    for _ in range(reports + 1):
        started = time.monotonic()
        reg2rg.generate_report(ct, regions_file=regions)
        seconds.append(time.monotonic() - started)
    return statistics.median(seconds[1:])


if __name__ == "__main__":
    main()
