"""All measures of all real CTs, with the structures of the thresholds segmenter, for docs/evidence_real_cts.md.

    python Testing/Benchmarks/measurements_real_cts.py [--data ../shared/data] [--write docs/evidence_real_cts.md]

Prints the tables, or replaces those at the end of a page. What was seen by eye stands above them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from reg2rg.measurements import Evidence, Measurement, measure
from reg2rg.segmentation.structures_from_regions import find_structures
from reg2rg.segmentation.thresholds import ThresholdSegmenter
from reg2rg.volumes import read_volume

REPOSITORY = Path(__file__).resolve().parents[2]
HEADING = "## Tables"
VOLUMES = {
    **{number: f"real/{number}.nii.gz" for number in ("01", "02", "07", "08", "09", "16", "17", "18")},
    "dicom": "real/dicom/scout_and_ct_jpegls",
    "chest 1": "ct/chest_ct_01.nii.gz",
    "chest 2": "ct/chest_ct_02.nii.gz",
    "crop": "ct/heart_crop_contrast_ct.nii.gz",
}
"""Name in the tables -> path within the data folder."""

CONDITIONS: dict[str, Callable[[Evidence], object]] = {
    "slices, mm": lambda e: e.conditions.slice_spacing_mm,
    "pixels, mm": lambda e: e.conditions.pixel_spacing_mm,
    "noise, HU": lambda e: e.conditions.noise_hu,
    "correlation of the noise": lambda e: e.conditions.noise_correlation,
    "kernel": lambda e: {True: "sharp", False: "soft", None: None}[e.conditions.sharp_kernel],
    "blood, HU": lambda e: e.conditions.blood_hu,
    "contrast medium": lambda e: e.conditions.enhanced,
    "lungs, median HU": lambda e: e.conditions.lung_hu,
    "metal or the like": lambda e: e.conditions.metal,
    "padding": lambda e: e.conditions.padded,
    "cut": lambda e: ", ".join(name for name in e.conditions.cut if "_" not in name),
}
SIGNS = "abcdefghijklmnopqrstuvwxyz"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=REPOSITORY.parent / "shared" / "data", help="folder of the CTs")
    parser.add_argument("--write", type=Path, help="page whose tables are replaced")
    options = parser.parse_args()
    evidence = {name: measure_volume(options.data / path) for name, path in VOLUMES.items()}
    text = "\n".join(tables(evidence)) + "\n"
    if options.write is None:
        print(text)
        return
    page = options.write.read_text(encoding="utf-8")
    before, heading, _ = page.partition(f"{HEADING}\n")
    if not heading:
        raise SystemExit(f"{options.write} has no heading {HEADING!r}.")
    options.write.write_text(f"{before}{heading}\n{text}", encoding="utf-8")


def measure_volume(path: Path) -> Evidence:
    """Measure a CT with the structures of the thresholds segmenter."""
    volume = read_volume(path)
    masks = ThresholdSegmenter().segment(volume)
    return measure(volume, find_structures(volume, masks), masks)


def tables(evidence: Mapping[str, Evidence]) -> Iterator[str]:
    """Yield the lines of the tables of scan conditions and measures, and of the failed conditions."""
    head = f"| {' | '.join(evidence)} |\n|{'---|' * (len(evidence) + 1)}"
    yield f"| scan {head}"
    for name, read in CONDITIONS.items():
        yield f"| {name} | {' | '.join(_plain(read(e)) for e in evidence.values())} |"
    yield f"\n| measure {head}"
    reasons: dict[str, str] = {}
    rows = {_row(m): m for e in evidence.values() for m in e.measurements}
    for row in rows:
        cells = [_cell(row, e, reasons) for e in evidence.values()]
        yield f"| {row} | {' | '.join(cells)} |"
    yield "\nWithout a value, or with reservation:\n"
    for reason, sign in reasons.items():
        yield f"- {sign}: {reason}"


def _plain(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _row(measurement: Measurement) -> str:
    """Return the row of a measurement; single vertebrae and the lung that holds the largest area share one."""
    if measurement.measure in ("vertebra_hu", "vertebra_height", "vertebra_height_loss", "dense_lung_largest"):
        return measurement.label
    return measurement.name


def _cell(row: str, evidence: Evidence, reasons: dict[str, str]) -> str:
    found = [m for m in evidence.measurements if _row(m) == row]
    if not found:
        return "-"
    measurement = found[0]
    failed = [c for c in measurement.conditions if c.met is False]
    names = [c.name for c in failed if measurement.value is not None or c.reason in measurement.text]
    if measurement.value is None and not names:
        names = [measurement.text.removeprefix("not given: ")]
    signs = "".join(sorted(reasons.setdefault(_reason(reason), SIGNS[len(reasons)]) for reason in names))
    value = "" if measurement.value is None else measurement.text
    if measurement.adjective:
        value += f", {measurement.adjective}"
    return f"{value} ({signs})".strip() if signs else value


def _reason(reason: str) -> str:
    """Return a reason without the numbers of a single volume."""
    return (
        "noise that looks like calcium in the heart" if reason.startswith("noise of") and "heart" in reason else reason
    )


if __name__ == "__main__":
    main()
