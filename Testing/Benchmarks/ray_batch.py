"""Whether `reg2rg batch --ray` loses or repeats a case when workers and the command itself are killed.

    python Testing/Benchmarks/ray_batch.py [--cases 40] [--memory 20 200]

Reports of phantoms, one of them damaged, are written by one process, and then by three runs on a cluster with two
workers: in the first, a worker is killed, and then the run is interrupted with Ctrl-C; the second is killed; the third
ends. The output must be that of the one process, but for times. Each model has one thread in all runs, because the
number of threads changes the last digits of probabilities. Then the peak memory of the command is measured for
different numbers of tiny CTs, without a language model.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import SimpleITK as sitk

sys.path.insert(0, str(Path(__file__).parents[1] / "Python"))
from tiny_chest import tiny_chest

from reg2rg.exports.segmentation_nrrd import write_regions
from reg2rg.phantom import make_phantom

os.environ["OMP_NUM_THREADS"] = "1"
COMMAND = [sys.executable, "-m", "reg2rg.cli", "batch"]
TINY = ["--measure-only", "--segmenter", "thresholds", "--region", "lung"]
TIMES = re.compile(rb'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00|"stage_seconds": \{[^}]*\}')
RAY = ["--ray", "local", "--jobs", "2"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=40, help="number of phantoms, one of which is damaged")
    parser.add_argument(
        "--memory", type=int, nargs="*", default=[20, 200], help="numbers of tiny CTs to compare memory for"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.cases:
            survive(Path(folder), options.cases)
        for count in options.memory:
            scans = write_tiny_scans(Path(folder, f"scans{count}"), count)
            with subprocess.Popen(
                [*COMMAND, scans, "-o", f"{folder}/{count}", *TINY, *RAY], stderr=subprocess.DEVNULL
            ) as run:
                _, status, usage = os.wait4(run.pid, 0)
                run.returncode = os.waitstatus_to_exitcode(status)
            assert run.returncode == 0
            print(f"{count} cases: {usage.ru_maxrss / 1024:.0f} MB peak of the command", flush=True)


def write_tiny_scans(folder: Path, count: int) -> Path:
    folder.mkdir()
    for seed in range(count):
        sitk.WriteImage(tiny_chest(seed), str(folder / f"{seed:03d}.nii.gz"))
    return folder


def write_phantoms(folder: Path, count: int) -> Path:
    """Write phantoms with their regions, a damaged file, and a table of them."""
    folder.mkdir()
    rows = ["path,masks", "damaged.nii.gz,"]
    (folder / "damaged.nii.gz").write_bytes(b"damaged")
    for seed in range(count - 1):
        phantom, name = make_phantom(seed), f"{seed:03d}"
        sitk.WriteImage(phantom.volume, str(folder / f"{name}.nii.gz"))
        write_regions(phantom.masks, folder / f"{name}.seg.nrrd")
        rows.append(f"{name}.nii.gz,{name}.seg.nrrd")
    table = folder / "cases.csv"
    table.write_text("\n".join(rows), encoding="utf-8")
    return table


def survive(folder: Path, count: int) -> None:
    """Kill what can be killed, and compare with one process."""
    table = write_phantoms(folder / "phantoms", count)
    single, output = folder / "single", folder / "cluster"
    assert subprocess.run([*COMMAND, table, "-o", single, "--jobs", "0"], stderr=subprocess.DEVNULL).returncode == 1

    def interrupt(run: subprocess.Popen[str], ended: int) -> None:
        if ended == count // 8:
            print(f"killing {kill_worker(run.pid)}", flush=True)
        if ended == count // 3:
            run.send_signal(signal.SIGINT)

    def kill(run: subprocess.Popen[str], ended: int) -> None:
        if ended == count // 4:
            run.kill()

    runs = [
        ("Ctrl-C", interrupt, 130),
        ("kill -9", kill, -signal.SIGKILL),
        ("to the end", lambda run, ended: None, 1),
    ]
    times: dict[str, int] = {}
    for name, react, code in runs:
        started = time.monotonic()
        follow([*COMMAND, table, "-o", output, *RAY], react, code)
        complete = {file.parent.name: file.stat().st_mtime_ns for file in output.glob("cases/*/case.json")}
        assert times.items() <= complete.items(), "a case was lost or done twice"
        seconds = time.monotonic() - started
        print(f"{name}: {len(complete) - len(times)} cases finished, {seconds:.0f} s", flush=True)
        times = complete
    expected, found = files(single), files(output)
    assert len(times) == count - 1 and len(list(output.glob("failed/*"))) == 1
    assert found == expected, sorted(name for name, _ in found.items() ^ expected.items())
    leftovers = [path.name for path in output.rglob(".*")]
    assert not leftovers, leftovers
    print(f"{len(times)} cases finished, 1 failed, {len(found)} files are those of one process", flush=True)


def follow(command: list[object], react: Callable[[subprocess.Popen[str], int], None], code: int) -> None:
    """Run a command, react to each case that ends, and wait until all of its processes are gone."""
    ended = 0
    children: list[psutil.Process] = []
    with subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if " cases per hour" in line:
                ended += 1
                children = psutil.Process(run.pid).children(recursive=True) or children
                react(run, ended)
    assert run.returncode == code, run.returncode
    end = time.monotonic() + 60
    while alive := [process for process in children if is_alive(process)]:
        assert time.monotonic() < end, alive
        time.sleep(0.2)


def is_alive(process: psutil.Process) -> bool:
    """Return whether a process that may write runs. In containers, nobody may collect those that have ended.

    The agents of Ray, which write nothing of ours, end a minute after a command that was killed.
    """
    try:
        agent = "Agent" in process.name()
        return not agent and process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill_worker(pid: int) -> str:
    """Kill a worker that is busy, and return its name."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for process in psutil.Process(pid).children(recursive=True):
            name = (process.cmdline() or [""])[0]
            if name in ("ray::_prepare", "ray::_Writer.write"):
                process.kill()
                return name
    raise AssertionError("no worker is busy")


def files(output: Path) -> dict[str, bytes]:
    """Return the content of all files that say something about cases, without times."""
    found = [output / "index.csv", output / "summary.html", *(file for file in output.glob("*/**/*") if file.is_file())]
    return {str(file.relative_to(output)): TIMES.sub(b"", file.read_bytes()) for file in found}


if __name__ == "__main__":
    main()
