"""Random sentences of the released reports with what the reader of findings makes of them, to be judged by hand.

    python Testing/Benchmarks/labeler_sample.py ../shared/reference/published --seed 8 --count 200

Drawn from the different sentences (with their region) of the reference and the predicted texts together.
"""

from __future__ import annotations

import argparse
import csv
import random
from pathlib import Path

from reg2rg.labeler import Mention, extract_mentions, split_sentences
from reg2rg.regions import REGION_NAMES

COLUMNS = ("GT_combined_report", "Pred_combined_report")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("published", type=Path, help="folder of radgenome_<region>_reports.csv")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--words", type=int, default=1, help="draw only from sentences of at least so many words")
    arguments = parser.parse_args()
    different = set(all_sentences(arguments.published))
    sentences = sorted(pair for pair in different if len(pair[1].split()) >= arguments.words)
    drawn = random.Random(arguments.seed).sample(sentences, arguments.count)
    print(f"{arguments.count} of {len(sentences)} different sentences, seed {arguments.seed}")
    for number, (region, sentence) in enumerate(drawn, 1):
        print(f"{number:3d} {region} | {sentence}")
        for finding in extract_mentions(sentence, region):
            print(f"      {told(finding)}")


def all_sentences(published: Path):
    """(region, sentence) of every text."""
    for region in REGION_NAMES:
        path = published / f"radgenome_{region.replace(' ', '_')}_reports.csv"
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                for text in (row[column] for column in COLUMNS):
                    yield from ((region, text[start:end]) for start, end in split_sentences(text))


def told(finding: Mention) -> str:
    """A finding on one line."""
    parts = [finding.status.value, finding.label, *sorted(finding.sides), *sorted(finding.levels)]
    return ", ".join(parts) + (f", {finding.size_mm:g} mm" if finding.size_mm is not None else "")


if __name__ == "__main__":
    main()
