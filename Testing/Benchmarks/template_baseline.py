"""Region files in which each prediction is the region's most frequent reference: what looking at no image scores.

python Testing/Benchmarks/template_baseline.py ../shared/reference/published out/template
reg2rg evaluate ../shared/reference/published --compare out/template -o out/against-template
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("published", type=Path, help="folder of <region>_reports.csv files")
    parser.add_argument("output", type=Path, help="folder to write files of the same names into")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for file in sorted(arguments.published.glob("*_reports.csv")):
        with file.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        template, count = Counter(row["GT_combined_report"] for row in rows).most_common(1)[0]
        with (arguments.output / file.name).open("w", newline="", encoding="utf-8") as stream:
            generator = csv.DictWriter(stream, rows[0])
            generator.writeheader()
            generator.writerows({**row, "Pred_combined_report": template} for row in rows)
        print(f"{file.name}: one text, the reference of {count} of {len(rows)}")


if __name__ == "__main__":
    main()
