"""The tables of findings: by size, by label, pointing, calibration. Headline and collapse are elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reg2rg.benchmark.calibration_error import label_probabilities, reliability_bins
from reg2rg.benchmark.finding_groups import BANDS, FOCAL_LABELS, HEADLINE_SIZE_MM, REGION_OF, UNSIZED, size_band
from reg2rg.benchmark.metrics import SOURCES, available_sources, counts, pointings
from reg2rg.benchmark.records import CaseRecord
from reg2rg.benchmark.statements import Outcome, outcomes
from reg2rg.evaluation.report_metrics.clinical_efficacy import precision_recall_f1
from reg2rg.evaluation.tables import Cell, Table

_NOWHERE = float("nan")


def size_table(records: Sequence[CaseRecord]) -> Table:
    """Recall and false alarms by band of size, of each source."""
    columns, names = ["size", "planted"], [name for name, _, _ in BANDS] + [UNSIZED]
    cells: dict[str, list[Cell]] = {name: [name] for name in names}
    for source in available_sources(records):
        columns += [f"recall, {source}", f"false alarms, {source}"]
        found = outcomes(records, SOURCES[source])
        for name in names:
            planted = [o for o in found if o.planted and size_band(o.planted.size_mm) == name]
            alarms = sum(o.planted is None and size_band(o.stated.size_mm) == name for o in found)
            recall = sum(o.right for o in planted) / len(planted) if planted else _NOWHERE
            cells[name] += [recall, alarms] if len(cells[name]) > 1 else [len(planted), recall, alarms]
    caption = (
        "Planted findings by their size: longest diameter, or thickness of fluid and pleural thickening; some kinds "
        "have no size. Of a false alarm the size that is stated counts."
    )
    return Table("sizes", "Findings by size", caption, tuple(columns), tuple(tuple(cells[name]) for name in names))


def label_table(records: Sequence[CaseRecord]) -> Table:
    """Precision, recall and F1 of each finding, of text and head."""
    sources = [name for name in available_sources(records) if name != "text without cues"]
    found = {name: outcomes(records, SOURCES[name]) for name in sources}
    columns = ["finding", "planted", *(f"{rate}, {name}" for name in sources for rate in ("precision", "recall", "F1"))]
    rows = [(label, *_label_cells(found, len(records), label)) for label in REGION_OF]
    caption = (
        f"Planted findings of {HEADLINE_SIZE_MM:g} mm and more or of no size; smaller ones count neither as found "
        "nor as missed. False alarms count whatever size they state."
    )
    return Table("labels", "Findings by kind", caption, tuple(columns), tuple(rows))


def _label_cells(found: dict[str, list[Outcome]], cases: int, label: str) -> list[Cell]:
    cells: list[Cell] = []
    for outcomes_ in found.values():
        tp, fp, fn = counts([o for o in outcomes_ if o.label == label and o.grown], cases).sum(axis=0)
        rates = [float(rate) for rate in precision_recall_f1(*(np.array(n) for n in (tp, fp, fn)))]
        cells += [*([] if cells else [int(tp + fn)]), *(rates if tp + fp + fn else [_NOWHERE] * 3)]
    return cells


def pointing_table(records: Sequence[CaseRecord]) -> Table:
    """Whether the maximum of the finding map lies in the planted finding, by band of size."""
    pointed = [pair for record in records for pair in pointings(record)]
    rows = []
    for kind, focal in (("focal", True), ("diffuse", False)):
        own = [(f, distance) for f, distance in pointed if (f.label in FOCAL_LABELS) == focal]
        groups = [(f"{kind}, {name}", [p for p in own if size_band(p[0].size_mm) == name]) for name in _bands()]
        groups.append((f"{kind}, all", own))
        rows += [(name, *_pointing_cells(group)) for name, group in groups if group]
    caption = (
        "All planted findings, detected or not; the maximum is that of the finding's map on the volume's grid. Hit: it "
        "is a voxel of the planted finding. Chance: a random voxel of the region would be one. Without a map, where "
        "the head gives the finding less than 5%, nothing is hit. Focal: " + ", ".join(sorted(FOCAL_LABELS)) + "."
    )
    columns = ("findings", "planted", "hit", "within 5 mm", "hit, where there is a map", "chance")
    return Table("pointing", "Pointing", caption, columns, tuple(rows))


def _bands() -> list[str]:
    return [*(name for name, _, _ in BANDS), UNSIZED]


def _pointing_cells(group: list) -> tuple[Cell, ...]:
    distances = [distance for _, distance in group]
    mapped = [distance for distance in distances if distance is not None]
    hits = sum(distance == 0 for distance in mapped)
    near = sum(distance <= 5 for distance in mapped)
    chance = float(np.mean([finding.chance for finding, _ in group]))
    return len(group), hits / len(group), near / len(group), hits / len(mapped) if mapped else _NOWHERE, chance


def calibration_table(records: Sequence[CaseRecord]) -> Table:
    """How often a finding was there of which the head gave a probability."""
    rows = [
        (f"{low:.2f} to {high:.2f}", count, mean, share)
        for low, high, count, mean, share in reliability_bins(label_probabilities(records))
    ]
    caption = "Probabilities of every label in the region it belongs to. reliability.png shows the same."
    columns = ("probability", "how often", "mean probability", "share planted")
    return Table("calibration", "Calibration of the finding head", caption, columns, tuple(rows))
