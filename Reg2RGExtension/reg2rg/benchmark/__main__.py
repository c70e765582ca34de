"""Measure a model on held-out phantoms and compare the numbers with those of its model card (``make model-card``).

The exit status is 1 if a number differs from the card's by more than sampling error.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from reg2rg.benchmark.agreement import check_agreement
from reg2rg.benchmark.annotated_cts import examine_annotated_cts
from reg2rg.benchmark.collect import TEST_SEEDS
from reg2rg.benchmark.far_volumes import examine_far_volumes
from reg2rg.benchmark.headline import headline
from reg2rg.benchmark.model_card import (
    CardMeasurements,
    RealMeasurements,
    card_tables,
    read_stored_metrics,
    write_card,
)
from reg2rg.benchmark.planted_cts import TEST_SEEDS as PLANTED_SEEDS
from reg2rg.benchmark.planted_cts import PlantedResults, examine_planted_cts
from reg2rg.benchmark.real_cts import examine_real_cts, list_real_cts
from reg2rg.benchmark.results import BenchmarkResults, run_benchmark
from reg2rg.benchmark.timing import seconds_per_report
from reg2rg.errors import InputError, Reg2RGError
from reg2rg.evaluation import Cell, to_markdown
from reg2rg.hub import find_model
from reg2rg.planting import HostEntry, read_host_list

QUICK_CASES = 60
HOSTS = Path("Resources/Training/real_cts.yaml")
TIMED_CASES = 6


def main() -> int:
    """Run the command and return its exit status."""
    options = _parse_arguments()
    model = find_model(options.model)
    stored = None if options.write else read_stored_metrics(model)
    entries = _list_cts(options)
    results = _examine_phantoms(model, options)
    real = _examine_real_cts(model, options, entries)
    seconds = seconds_per_report(model, TEST_SEEDS[:TIMED_CASES])
    measurements = CardMeasurements(results, real, seconds, _examine_other_models(options, entries))
    print(card_tables(model, measurements))
    if stored is None:
        write_card(model, measurements)
        return 0
    table, agrees = check_agreement(stored, results.to_json_dict())
    print(to_markdown(table))
    return 0 if agrees else 1


def _list_cts(options: argparse.Namespace) -> list[HostEntry]:
    """Return the real CTs; raise InputError if what the options ask for cannot be measured on them."""
    if options.ct is not None and not options.ct.is_dir():
        raise InputError(f"{options.ct} is not a folder; expected a folder with real CTs (--ct).")
    entries = [] if options.ct is None else list_real_cts(options.ct, options.hosts)
    if any(entry.held_out for entry in entries):
        for entry in read_host_list(options.hosts):
            if entry.held_out and entry not in entries:
                raise InputError(
                    f"{options.ct} lacks {entry.file}, which {options.hosts} holds out; expected all CTs of held-out "
                    "patients, or none."
                )
    elif options.compare:
        raise InputError("--compare was given without CTs of held-out patients; expected a folder with them (--ct).")
    for entry in entries:
        if entry.lesions is not None and not (options.ct / entry.lesions).is_file():
            raise InputError(
                f"{options.ct / entry.lesions} does not exist; {options.hosts} lists it as lesions of {entry.file}."
            )
    return entries


def _examine_real_cts(model: Path, options: argparse.Namespace, entries: Sequence[HostEntry]) -> RealMeasurements | str:
    """Return what was measured on real CTs, or the reason why nothing was."""
    if options.ct is None:
        return "no folder of CTs was given (--ct)."
    if not entries:
        return "the folder of CTs (--ct) contains no .nii.gz files."
    real = examine_real_cts(model, options.ct, entries)
    held_out = [entry for entry in entries if entry.held_out]
    if not held_out:
        return RealMeasurements(real)
    return RealMeasurements(
        real,
        _examine_planted_cts(model, options),
        examine_annotated_cts(model, options.ct, entries),
        examine_far_volumes(model, options.ct, held_out),
    )


def _examine_planted_cts(model: Path, options: argparse.Namespace) -> PlantedResults:
    seeds = PLANTED_SEEDS[: options.planted]
    return PlantedResults(examine_planted_cts(model, options.ct, options.hosts, seeds, progress=_print_progress))


def _examine_other_models(
    options: argparse.Namespace, entries: Sequence[HostEntry]
) -> Mapping[str, Mapping[str, Cell]]:
    """Return the numbers of the models given by --compare, on the same phantoms and real CTs."""
    return {
        name: headline(
            _examine_phantoms(model, options).to_json_dict(),
            examine_real_cts(model, options.ct, entries),
            _examine_planted_cts(model, options),
        )
        for name, model in options.compare
    }


def _named_folder(argument: str) -> tuple[str, Path]:
    """Parse NAME=FOLDER."""
    name, equals, folder = argument.partition("=")
    if not (name and equals and folder):
        raise argparse.ArgumentTypeError(f"{argument!r} is not of the form NAME=FOLDER")
    if not Path(folder).is_dir():
        raise argparse.ArgumentTypeError(f"{folder!r} is not a folder")
    return name, Path(folder)


def _examine_phantoms(model: Path, options: argparse.Namespace) -> BenchmarkResults:
    seeds = TEST_SEEDS[: options.cases]
    return run_benchmark(model, seeds, options.work, processes=options.processes, progress=_print_progress)


def _print_progress(fraction: float, message: str) -> None:
    """Overwrite the last line of standard error."""
    print(f"\r{message}", end="\n" if fraction >= 1 else "", file=sys.stderr, flush=True)


def _parse_arguments() -> argparse.Namespace:
    description = "Measure a model on held-out phantoms and compare the numbers with those of its model card."
    parser = argparse.ArgumentParser(prog="python -m reg2rg.benchmark", description=description)
    parser.add_argument("model", nargs="?", default="phantom", help="name of an installed model, or a model folder")
    parser.add_argument("--cases", type=int, default=len(TEST_SEEDS), help="number of phantoms")
    parser.add_argument(
        "--quick", dest="cases", action="store_const", const=QUICK_CASES, help=f"measure on {QUICK_CASES} phantoms"
    )
    parser.add_argument(
        "--work", type=Path, default=Path("out/model-card"), help="folder that keeps the records of the model's answers"
    )
    parser.add_argument("--processes", type=int, default=2, help="number of parallel processes")
    parser.add_argument("--ct", type=Path, help="folder with real CTs")
    parser.add_argument("--hosts", type=Path, default=HOSTS, help="list of known real CTs, some of them held out")
    parser.add_argument(
        "--planted", type=int, default=len(PLANTED_SEEDS), help="number of held-out CTs with planted findings"
    )
    parser.add_argument(
        "--compare",
        type=_named_folder,
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="another model to measure on the same data (with --ct); may be repeated",
    )
    parser.add_argument("--write", action="store_true", help="write the model card instead of comparing with it")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Reg2RGError as error:
        sys.exit(str(error))
