"""Measures a model on held-out phantoms and compares the numbers with its card's (make model-card).

Exit status 1: some number differs from the card's by more than sampling error.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from reg2rg.benchmark.agreement import check_agreement
from reg2rg.benchmark.collect import TEST_SEEDS
from reg2rg.benchmark.model_card import CardMeasurements, card_tables, read_stored_metrics, write_card
from reg2rg.benchmark.real_cts import examine_real_cts
from reg2rg.benchmark.records import CaseRecord
from reg2rg.benchmark.results import run_benchmark
from reg2rg.benchmark.timing import seconds_per_report
from reg2rg.errors import Reg2RGError
from reg2rg.evaluation.tables import to_markdown
from reg2rg.hub import find_model

QUICK = 60
TIMED = 6


def main() -> int:
    options = _options()
    model = find_model(options.model)
    stored = None if options.write else read_stored_metrics(model)
    seeds = TEST_SEEDS[: options.cases]
    results = run_benchmark(model, seeds, options.work, processes=options.processes, show=_show)
    real, why_none = _real(model, options.ct)
    measured = CardMeasurements(results, real, why_none, seconds_per_report(model, seeds[:TIMED]))
    print(card_tables(model, measured))
    if stored is None:
        write_card(model, measured)
        return 0
    table, agrees = check_agreement(stored, results.as_dict())
    print(to_markdown(table))
    return 0 if agrees else 1


def _real(model: Path, folder: Path | None) -> tuple[Sequence[CaseRecord], str]:
    if folder is None:
        return [], "no folder of CTs was named (--ct)."
    real = examine_real_cts(model, folder)
    return real, "" if real else f"{folder} holds no .nii.gz files."


def _show(done: int, all: int) -> None:
    if done % 10 == 0 or done == all:
        print(f"{done} of {all} phantoms", file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m reg2rg.benchmark", description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="phantom", help="name of an installed model, or a model folder")
    parser.add_argument("--cases", type=int, default=len(TEST_SEEDS), help="how many phantoms")
    parser.add_argument("--quick", dest="cases", action="store_const", const=QUICK, help=f"{QUICK} phantoms")
    parser.add_argument("--work", type=Path, default=Path("out/model-card"), help="keeps what the model answered")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--ct", type=Path, help="folder with real CTs (.nii.gz)")
    parser.add_argument("--write", action="store_true", help="write the model's card instead of comparing with it")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Reg2RGError as error:
        sys.exit(str(error))
