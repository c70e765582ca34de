"""Write region files in which every prediction is the region's most frequent reference.

They show what a system scores that ignores the image:

    python Testing/Benchmarks/template_baseline.py ../shared/reference/published out/template
    reg2rg evaluate ../shared/reference/published --compare out/template -o out/against-template
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from pathlib import Path


def main() -> None:
    """Write a region file for each published one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("published", type=Path, help="folder with <region>_reports.csv files")
    parser.add_argument("output", type=Path, help="folder to write files of the same names into")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for file in sorted(arguments.published.glob("*_reports.csv")):
        with file.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        template, count = Counter(row["GT_combined_report"] for row in rows).most_common(1)[0]
        with (arguments.output / file.name).open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, rows[0])
            writer.writeheader()
            writer.writerows({**row, "Pred_combined_report": template} for row in rows)
        print(f"{file.name}: the most frequent reference, {count} of {len(rows)}")


if __name__ == "__main__":
    main()
