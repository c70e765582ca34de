"""Where the time of many CTs goes: a measured batch next to its simulation, and what larger machines would do.

    python Testing/Benchmarks/scaling.py [--cases 24] [--large-cases 6] [--jobs 2] [--sizes 64 128 256 428]
        [--plot FILE.png]

First, phantoms go through the stages of `reg2rg batch`, each case with its own times, and the same times go through a
simulation of the two queues (simpy). The same is done with phantoms that have as many voxels as the CT of a patient.
Then phantoms are reported with more and more voxels, regions and tokens, and exponents are fitted to the seconds of
each stage. Last, the simulation is asked about machines that are not here, for CTs as large as those of patients.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import simpy

PREPARATION = ("read", "segment", "measure", "prepare")
"""Stages of other processes; the writing process does the rest."""

Growth = dict[str, dict[int, dict[str, float]]]
"""Quantity -> its value -> stage -> seconds."""


@dataclass(frozen=True)
class CaseTimes:
    """Seconds that a case takes.

    Attributes:
        prepare: in one of the preparing processes.
        write: in the writing process.
        arrival: when the case can be started.
    """

    prepare: float
    write: float
    arrival: float = 0.0


def simulate(cases: Sequence[CaseTimes], *, preparers: int, writers: int = 1) -> list[float]:
    """Return when each case ends, in seconds.

    At most ``preparers + writers`` cases wait or are being prepared at a time, as in `reg2rg batch`.

    Args:
        cases: in the order in which they are started.
        preparers: number of processes that prepare.
        writers: number of processes (or GPUs) that write.
    """
    environment = simpy.Environment()
    room = simpy.Resource(environment, preparers + writers)
    preparing, writing = simpy.Resource(environment, preparers), simpy.Resource(environment, writers)
    ends = [0.0] * len(cases)

    def run(index: int, case: CaseTimes) -> Iterator[simpy.Event]:
        yield environment.timeout(case.arrival)
        place = room.request()
        yield place
        with preparing.request() as process:
            yield process
            yield environment.timeout(case.prepare)
        with writing.request() as process:
            yield process
            room.release(place)
            yield environment.timeout(case.write)
        ends[index] = environment.now

    for index, case in enumerate(cases):
        environment.process(run(index, case))
    environment.run()
    return ends


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=24, help="number of cases that count")
    parser.add_argument("--large-cases", type=int, default=6, help="number of large cases that count")
    parser.add_argument("--jobs", type=int, default=2, help="processes that prepare cases")
    parser.add_argument(
        "--sizes",
        type=int,
        nargs="+",
        default=[64, 128, 256, 428],
        help="voxels along each axis; the last one is that of the large cases (428: as many as 512 x 512 x 300)",
    )
    parser.add_argument("--plot", type=Path, help="picture of the growth of each stage")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _, ends = compare_with_simulation(Path(folder, "small"), options.cases, options.jobs)
        large, _ = compare_with_simulation(
            Path(folder, "large"), options.large_cases, options.jobs, size=options.sizes[-1]
        )
        growth = measure_growth(Path(folder, "growth"), options.sizes)
    growth["cases"] = {count: {"whole batch": ends[count - 1]} for count in fractions_of(options.cases)}
    print_growth(growth)
    if options.plot is not None:
        plot_growth(growth, options.plot)
    print_plans(large)


def fractions_of(count: int) -> list[int]:
    """Return an eighth, a quarter, a half and the whole of a number, without those below 1."""
    return [count // part for part in (8, 4, 2, 1) if count >= part]


def compare_with_simulation(
    folder: Path, count: int, jobs: int, *, size: int | None = None
) -> tuple[CaseTimes, list[float]]:
    """Run a batch, and print it next to its simulation.

    Args:
        folder: where scans and reports are written.
        count: number of cases that count. The first ones, which load the model, do not.
        jobs: number of processes that prepare.
        size: voxels of the phantoms along each axis; their own size if None.

    Returns:
        The mean times of a case, and when each case that counts ended, in seconds.
    """
    folder.mkdir()
    warm = jobs + 1
    times, ends = run_batch(folder, count + warm, jobs, size)
    measured = ends[-1] - ends[warm - 1]
    predicted_ends = sorted(simulate(times, preparers=jobs))
    predicted = predicted_ends[-1] - predicted_ends[warm - 1]
    mean = CaseTimes(*np.mean([(each.prepare, each.write) for each in times[warm:]], axis=0).tolist())
    bounds = {"preparing": mean.prepare / jobs, "writing": mean.write}
    voxels = "" if size is None else f" of {size}^3 voxels"
    print(f"{count} cases{voxels}, {jobs} processes that prepare, {os.cpu_count()} cores\n")
    print("| | seconds per case | cases per hour |\n|---|---|---|")
    for name, seconds in {**bounds, "measured": measured / count, "simulated": predicted / count}.items():
        print(f"| {name} | {seconds:.2f} | {3600 / seconds:.0f} |")
    print(f"\nSimulated / measured: {predicted / measured:.2f}. Bound by {max(bounds, key=bounds.__getitem__)}.\n")
    return mean, [end - ends[warm - 1] for end in ends[warm:]]


def run_batch(folder: Path, count: int, jobs: int, size: int | None) -> tuple[list[CaseTimes], list[float]]:
    """Report on phantoms as `reg2rg batch` does, and return the times of the cases and when each ended."""
    from reg2rg.batch.read_ahead import ReadAhead
    from reg2rg.batch.run_case import finish
    from reg2rg.batch.settings import Settings
    from reg2rg.batch.source import Source
    from reg2rg.runtime.cores import limited_torch_threads, threads_of_each
    from reg2rg.runtime.third_party import configure_libraries

    configure_libraries()
    settings = Settings(measure_only=False, options={"segmenter": "thresholds", "device": "cpu"})
    scans = write_phantoms(folder / "scans", range(count), size)
    work = folder / "work"
    work.mkdir()
    cases = ((Source(scan, files=(scan,)).read(), folder / "reports" / scan.stem) for scan in scans)
    times, ends = [], []
    with ReadAhead(settings, jobs, work) as read_ahead:
        for job, error in read_ahead.prepare(cases):
            assert error is None, error
            started = time.monotonic()
            with limited_torch_threads(threads_of_each(jobs + 1)):
                finish(job.case, settings, job.folder, job.output)
            ends.append(time.monotonic())
            times.append(CaseTimes(preparation_seconds(job.output), ends[-1] - started))
    return times, ends


def measure_growth(folder: Path, sizes: Sequence[int]) -> Growth:
    """Report on phantoms in several ways, and return the seconds of each stage.

    The quantities are voxels, regions and tokens per region. Each report is about a phantom of its own, because texts
    and encodings of the same one are reused. The first does not count: it warms everything up.
    """
    from reg2rg import generate_report
    from reg2rg.regions import REGION_NAMES

    folder.mkdir()
    seeds = itertools.count()

    def seconds(size: int | None = None, **options: Any) -> dict[str, float]:
        seed = next(seeds)
        (scan,) = write_phantoms(folder / f"scan_{seed}", [seed], size)
        output = folder / f"report_{seed}"
        generate_report(scan, output, segmenter="thresholds", progress=False, **options)
        stages = stage_seconds(output)
        return {stage: stages[stage] for stage in (*PREPARATION, "write")}

    seconds()
    found = [name for name in REGION_NAMES if name in reported_regions(folder / "report_0")]
    counts = [count for count in (1, 2, 4, 7) if count <= len(found)]
    return {
        "voxels": {size**3: seconds(size) for size in sizes},
        "regions": {count: seconds(regions=found[:count]) for count in counts},
        "tokens per region, at most": {count: seconds(max_new_tokens=count) for count in (5, 10, 20, 40)},
    }


def print_growth(growth: Growth) -> None:
    """Print the seconds of each stage, and the exponent of the quantity that grows."""
    for quantity, measured in growth.items():
        print(f"| stage, by {quantity} | " + " | ".join(f"{value:,}" for value in measured) + " | exponent |")
        print("|---" * (len(measured) + 2) + "|")
        for stage in next(iter(measured.values())):
            seconds = [each[stage] for each in measured.values()]
            exponent = np.polyfit(np.log(list(measured)), np.log(np.maximum(seconds, 1e-3)), 1)[0]
            print(f"| {stage} | " + " | ".join(f"{value:.2f} s" for value in seconds) + f" | {exponent:.2f} |")
        print()


def plot_growth(growth: Growth, file: Path) -> None:
    """Plot what ``print_growth`` prints, on logarithmic axes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(growth), figsize=(14, 4), sharey=True, layout="constrained")
    for panel, (quantity, measured) in zip(panels, growth.items(), strict=True):
        for stage in next(iter(measured.values())):
            seconds = [max(each[stage], 1e-2) for each in measured.values()]
            panel.loglog(list(measured), seconds, marker="o", label=stage)
        panel.set_xlabel(quantity)
        panel.xaxis.set_minor_formatter("")
        panel.grid(alpha=0.3)
        panel.legend()
    panels[0].set_ylabel("seconds")
    figure.savefig(file, dpi=80)


def print_plans(case: CaseTimes) -> None:
    """Print what the simulation says about an archive and about a hospital's day, with the times measured here."""
    count = 25_000
    print(f"With {case.prepare:.1f} s of preparing and {case.write:.1f} s of writing per case:\n")
    print(f"| processes that prepare | processes that write | days for {count:,} CTs |\n|---|---|---|")
    for preparers, writers in ((2, 1), (16, 8), (64, 8)):
        # The rate is constant after a few hundred cases.
        ends = sorted(simulate([case] * 1_000, preparers=preparers, writers=writers))
        rate = 900 / (ends[-1] - ends[99])
        print(f"| {preparers} | {writers} | {count / rate / 86_400:.2f} |")
    arrivals = hospital_day(300)
    print("\n300 CTs a day, one process that writes:\n")
    print("| processes that prepare | median wait until the draft | 95% | longest |\n|---|---|---|---|")
    for preparers in (1, 2, 4):
        ends = simulate([CaseTimes(case.prepare, case.write, time) for time in arrivals], preparers=preparers)
        waits = np.array(ends) - arrivals
        cells = " | ".join(f"{value:.0f} s" for value in (np.median(waits), np.percentile(waits, 95), waits.max()))
        print(f"| {preparers} | {cells} |")


def hospital_day(count: int) -> list[float]:
    """Return arrival times in seconds: 80% of the CTs between 8 and 18 o'clock, the others at any time."""
    rng = np.random.default_rng(0)
    by_day = rng.uniform(8 * 3600, 18 * 3600, round(0.8 * count))
    return sorted([*by_day, *rng.uniform(0, 86_400, count - len(by_day))])


def write_phantoms(folder: Path, seeds: Iterable[int], size: int | None = None) -> list[Path]:
    """Write phantoms, enlarged to ``size`` voxels along each axis if it is given."""
    import SimpleITK as sitk

    from reg2rg.phantom import make_phantom

    folder.mkdir()
    scans = []
    for seed in seeds:
        volume = make_phantom(seed).volume
        if size is not None:
            spacing = [each * step / size for each, step in zip(volume.GetSize(), volume.GetSpacing(), strict=True)]
            grid = [size] * 3, sitk.Transform(), sitk.sitkLinear, volume.GetOrigin(), spacing, volume.GetDirection()
            volume = sitk.Resample(volume, *grid)
        scans.append(folder / f"{seed:03d}.nrrd")
        sitk.WriteImage(volume, str(scans[-1]))
    return scans


def stage_seconds(report: Path) -> dict[str, float]:
    """Return the seconds of each stage that a report records."""
    return json.loads((report / "report.json").read_text(encoding="utf-8"))["provenance"]["stage_seconds"]


def reported_regions(report: Path) -> list[str]:
    """Return the regions that a report describes."""
    report_json = json.loads((report / "report.json").read_text(encoding="utf-8"))
    return [section["region"] for section in report_json["sections"]]


def preparation_seconds(report: Path) -> float:
    """Return the seconds that a report took before it was written."""
    stages = stage_seconds(report)
    return sum(stages[stage] for stage in PREPARATION if stage in stages)


if __name__ == "__main__":
    main()
