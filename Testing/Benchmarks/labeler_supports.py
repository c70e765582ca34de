"""Print the positive cases per label in the released texts next to those of the published classifier.

    python Testing/Benchmarks/labeler_supports.py ../shared/reference/published

A case has the labels of all its region texts. The whole reports that the published classifier read are not released.
The published number of predicted positives follows from support, precision, and recall.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections import defaultdict
from pathlib import Path

from reg2rg.labeler import LABELS, RuleLabeler, Status, extract_mentions
from reg2rg.regions import REGION_NAMES

COLUMNS = {"reference": "GT_combined_report", "predicted": "Pred_combined_report"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("published", type=Path, help="folder of radgenome_<region>_reports.csv and the result files")
    published = parser.parse_args().published
    start = time.perf_counter()
    texts, cases = read_cases(published)
    seconds = time.perf_counter() - start
    print(f"{RuleLabeler().name}: {texts} texts in {seconds:.1f} s\n")
    print(
        "| label | published | asserted | + left open | denied only | published, predicted | asserted | + left open |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for row in published_rows(published):
        label, support = row["Label"], int(row["Support"])
        precision, recall = float(row["Precision"]), float(row["Recall"])
        predicted = round(support * recall / precision) if precision else "unknown"
        reference, prediction = count(cases["reference"], label), count(cases["predicted"], label)
        cells = (label, support, *reference, predicted, *prediction[:2])
        print(f"| {' | '.join(map(str, cells))} |")


def published_rows(published: Path) -> list[dict[str, str]]:
    """Return the rows of the published table in the order of LABELS."""
    with (published / "radgenome__metrics_manual.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["Label"]: row for row in csv.DictReader(file)}
    return [rows[label] for label in LABELS]


def read_cases(published: Path) -> tuple[int, dict[str, dict[str, set[tuple[str, Status]]]]]:
    """Return the number of texts, and source -> case -> pairs of label and status."""
    cases: dict[str, dict[str, set[tuple[str, Status]]]] = {source: defaultdict(set) for source in COLUMNS}
    texts = 0
    for region in REGION_NAMES:
        path = published / f"radgenome_{region.replace(' ', '_')}_reports.csv"
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                for source, column in COLUMNS.items():
                    texts += 1
                    mentions = extract_mentions(row[column], region)
                    cases[source][row["AccNum"]] |= {(mention.label, mention.status) for mention in mentions}
    return texts, cases


def count(cases: dict[str, set[tuple[str, Status]]], label: str) -> tuple[int, int, int]:
    """Return how many cases assert the label, how many assert it or leave it open, and how many only deny it."""
    asserted = {case for case, found in cases.items() if (label, Status.PRESENT) in found}
    left_open = asserted | {case for case, found in cases.items() if (label, Status.UNCERTAIN) in found}
    denied = {case for case, found in cases.items() if (label, Status.ABSENT) in found} - left_open
    return len(asserted), len(left_open), len(denied)


if __name__ == "__main__":
    main()
