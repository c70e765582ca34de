"""Cases per hour of `reg2rg batch`, compared with one report after the other in a process that keeps its model.

    python Testing/Benchmarks/batch.py [--cases 8] [--jobs 2] [--segmenter thresholds]

Phantoms of 128 x 128 x 96 voxels and the embedded model. Every way runs in a process of its own, on the same cases, and
its first cases, while processes start and the model is loaded, do not count. The stages are also run alone: all cases
prepared by as many processes as in the batch, and all reports written by one, with as many threads as in the batch and
with all. The slower stage limits the batch.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ONE_BY_ONE, BATCH, PREPARE, WRITE = "one by one", "batch", "prepare only", "write only"
WRITE_WITH_ALL = "write only, with all cores"
WAYS = (ONE_BY_ONE, BATCH, PREPARE, WRITE, WRITE_WITH_ALL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=8, help="number of cases that count")
    parser.add_argument("--jobs", type=int, default=2, help="processes that prepare cases")
    parser.add_argument("--segmenter", default="thresholds")
    parser.add_argument("--run", nargs=2, metavar=("WAY", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        way, folder = options.run
        print(json.dumps(seconds_per_case(way, Path(folder), options)))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_scans(Path(folder, "scans"), options.cases + options.jobs + 1)
        arguments = [f"--{name}={getattr(options, name)}" for name in ("cases", "jobs", "segmenter")]
        results = {}
        for way in WAYS:
            command = [sys.executable, __file__, *arguments, "--run", way, folder]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            results[way] = float(json.loads(done.stdout.splitlines()[-1]))
        print(f"{options.cases} cases, {options.jobs} processes that prepare, {os.cpu_count()} cores\n")
        print("| way | cases per hour | compared with one by one |\n|---|---|---|")
        for way, seconds in results.items():
            print(f"| {way} | {3600 / seconds:.0f} | {results[ONE_BY_ONE] / seconds:.2f}x |")
        slowest = max(results[PREPARE], results[WRITE])
        print(f"\nThe batch runs at {100 * slowest / results[BATCH]:.0f}% of the speed of its slowest stage.")


def write_scans(folder: Path, count: int) -> None:
    import SimpleITK as sitk

    from reg2rg.phantom import make_phantom

    folder.mkdir()
    for seed in range(count):
        sitk.WriteImage(make_phantom(seed).volume, str(folder / f"{seed:03d}.nrrd"))


def seconds_per_case(way: str, folder: Path, options: argparse.Namespace) -> float:
    """Return the seconds between the end of the cases that do not count and the last one, per case."""
    ends = [time.monotonic() for _ in cases_in_turn(way, folder, options)]
    return (ends[-1] - ends[-1 - options.cases]) / options.cases


def cases_in_turn(way: str, folder: Path, options: argparse.Namespace) -> Iterator[None]:
    """Yield after each case. The prepared ones of one way are those that another way writes."""
    from reg2rg.batch.read_ahead import ReadAhead
    from reg2rg.batch.run_case import finish
    from reg2rg.batch.settings import Settings
    from reg2rg.batch.source import Source
    from reg2rg.pipeline.run import run_report
    from reg2rg.runtime.cores import limited_torch_threads, threads_of_each
    from reg2rg.runtime.third_party import configure_libraries

    configure_libraries()
    settings = Settings(measure_only=False, options={"segmenter": options.segmenter, "device": "cpu"})
    scans, output = sorted((folder / "scans").iterdir()), folder / way
    cases = ((Source(scan, files=(scan,)).read(), output / scan.stem) for scan in scans)
    prepared, work = folder / "prepared", folder / "work"
    if way == ONE_BY_ONE:
        for case, target in cases:
            run_report(settings.report_request(case.source.path, "", None, target), lambda event: None)
            yield
        return
    if way in (WRITE, WRITE_WITH_ALL):
        copies = Path(shutil.copytree(prepared, folder / f"prepared for {way}"))  # they are used up
        threads = threads_of_each(1 if way == WRITE_WITH_ALL else options.jobs + 1)
        for case, target in cases:
            with limited_torch_threads(threads):
                finish(case, settings, copies / case.id, target)
            yield
        return
    prepared.mkdir(exist_ok=True)
    work.mkdir(exist_ok=True)
    with ReadAhead(settings, options.jobs, work) as read_ahead:
        if way == BATCH:
            for case, outcome in read_ahead.run(cases):
                assert not outcome.cause, f"{case.id}: {outcome.cause}"
                yield
            return
        for job, error in read_ahead.prepare(cases):
            assert error is None, error
            job.folder.rename(prepared / job.case.id)
            yield


if __name__ == "__main__":
    main()
