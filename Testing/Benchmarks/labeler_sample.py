"""Print random sentences of the released reports with what the labeler reads in them, for review by hand.

    python Testing/Benchmarks/labeler_sample.py ../shared/reference/published --seed 8 --count 200

The sample is drawn from the distinct pairs of sentence and region in the reference and predicted texts together.
"""

from __future__ import annotations

import argparse
import csv
import random
from collections.abc import Iterator
from pathlib import Path

from reg2rg.labeler import Mention, extract_mentions, split_sentences
from reg2rg.regions import REGION_NAMES

COLUMNS = ("GT_combined_report", "Pred_combined_report")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("published", type=Path, help="folder of radgenome_<region>_reports.csv")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--words", type=int, default=1, help="minimum number of words per sentence")
    arguments = parser.parse_args()
    distinct = set(all_sentences(arguments.published))
    sentences = sorted(pair for pair in distinct if len(pair[1].split()) >= arguments.words)
    drawn = random.Random(arguments.seed).sample(sentences, arguments.count)
    print(f"{arguments.count} of {len(sentences)} distinct sentences, seed {arguments.seed}")
    for number, (region, sentence) in enumerate(drawn, 1):
        print(f"{number:3d} {region} | {sentence}")
        for mention in extract_mentions(sentence, region):
            print(f"      {describe(mention)}")


def all_sentences(published: Path) -> Iterator[tuple[str, str]]:
    """Yield region and sentence of every text."""
    for region in REGION_NAMES:
        path = published / f"radgenome_{region.replace(' ', '_')}_reports.csv"
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                for text in (row[column] for column in COLUMNS):
                    yield from ((region, text[start:end]) for start, end in split_sentences(text))


def describe(mention: Mention) -> str:
    """Return a mention on one line."""
    parts = [mention.status.value, mention.label, *sorted(mention.sides), *sorted(mention.levels)]
    return ", ".join(parts) + (f", {mention.size_mm:g} mm" if mention.size_mm is not None else "")


if __name__ == "__main__":
    main()
