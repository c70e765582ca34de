"""What happens to measurements under review: lines are moved, measurements removed, and a volume is measured again."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace

from reg2rg.measurements.evidence import Evidence
from reg2rg.measurements.measurement import Line, Measurement
from reg2rg.measurements.measures import EXACT_OUTLINES, MEASURES, with_unit
from reg2rg.regions import in_reading_order

FINDING_MEASURE = "finding_diameter"
"""The measure that is the mean of two lines, and that only a run with a model takes."""

FINDING_MEASURES = (FINDING_MEASURE, "finding_extent")
"""The measures that are taken of the outline of a finding, whose label is their part."""

MEASURED_BY_REVIEWER = "measured by the reviewer"

_RATIOS = {
    "pulmonary_to_aorta": ("pulmonary_artery", "ascending_aorta"),
    "trachea_ratio": ("trachea_coronal", "trachea_sagittal"),
}
"""Ratio -> the diameters that it divides."""


def finding_key(region: str, label: str) -> str:
    """Return ``Measurement.key`` of the diameter of a located finding."""
    return f"{FINDING_MEASURE}/{region}/{label.lower()}"


def is_editable(measurement: Measurement) -> bool:
    """Return whether the value of a measurement follows from its lines, so that a reviewer can move them."""
    if measurement.value is None or measurement.unit != "mm":
        return False
    return len(measurement.lines) == 1 or (measurement.measure == FINDING_MEASURE and bool(measurement.lines))


def with_lines(measurement: Measurement, lines: tuple[Line, ...]) -> Measurement:
    """Return a measurement as the reviewer took it.

    The value is the length of the line, or the mean length of both axes of a finding.

    Args:
        measurement: an editable measurement.
        lines: its lines, moved.
    """
    lengths = sorted((math.dist(line.start_ras, line.end_ras) for line in lines), reverse=True)
    origin = MEASURED_BY_REVIEWER
    if len(lengths) > 1:
        sizes = " x ".join(f"{length:.0f}" for length in lengths)
        origin = f"{with_unit(sizes, measurement.unit)}, {origin}"
    changed = _with_value(measurement, sum(lengths) / len(lengths), origin)
    return replace(changed, lines=lines)


def reviewed(evidence: Evidence, removed: Collection[str], lines: Mapping[str, tuple[Line, ...]]) -> Evidence:
    """Return the evidence after the decisions of a reviewer.

    Args:
        evidence: what was measured.
        removed: keys of the measurements that the reviewer removed.
        lines: key of a measurement -> its lines as the reviewer moved them.
    """
    kept = {m.key: m for m in evidence.measurements if m.key not in removed}
    for key, moved in lines.items():
        if key in kept and is_editable(kept[key]):
            kept[key] = with_lines(kept[key], moved)
    by_measure = {m.measure: m for m in kept.values()}
    for ratio, names in _RATIOS.items():
        result, parts = by_measure.get(ratio), [by_measure[name] for name in names if name in by_measure]
        if result is not None and len(parts) == 2 and any(part.key in lines for part in parts):
            first, second = (part.value for part in parts)
            if result.value is not None and first and second:
                kept[result.key] = _with_value(result, first / second, MEASURED_BY_REVIEWER)
    return replace(evidence, measurements=tuple(kept.values()))


def remeasured(old: Evidence, new: Evidence, regions: Collection[str]) -> Evidence:
    """Return the evidence after a volume was measured again because its regions were corrected.

    What only the first run could measure is kept: it may have had structures that do not follow from the regions, and
    located findings.

    Args:
        old: the evidence before.
        new: what was measured now.
        regions: the regions that were corrected. Everything else that is measured in them is new.
    """
    results = {m.key: m for m in new.measurements}
    for earlier in old.measurements:
        now = results.get(earlier.key)
        missing = now is None or (now.value is None and earlier.value is not None)
        if missing and (earlier.region not in regions or earlier.measure == FINDING_MEASURE):
            results[earlier.key] = earlier
    order = [region.name for region in in_reading_order({m.region for m in results.values()})]
    return Evidence(new.conditions, tuple(sorted(results.values(), key=lambda m: order.index(m.region))))


def _with_value(measurement: Measurement, value: float, origin: str) -> Measurement:
    """Return a measurement with the reviewer's value. How exact the outlines are no longer matters."""
    row = MEASURES[measurement.measure]
    conditions = tuple(c for c in measurement.conditions if c.name != EXACT_OUTLINES)
    reliable = not any(c.met is False for c in conditions)
    cutoff = row.cutoff(value) if reliable else None
    return replace(
        measurement,
        value=round(value, 4),
        uncertainty=None,
        text=f"{row.format(value)} ({origin})",
        adjective=cutoff.adjective if cutoff else None,
        cutoff=cutoff.words(row.unit) if cutoff else None,
        conditions=conditions,
    )
