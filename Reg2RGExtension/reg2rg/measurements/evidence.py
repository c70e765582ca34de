"""The evidence of a volume: the readings of all measures, with words, conditions and cut-offs from the table."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import SimpleITK as sitk

from reg2rg.measurements.conditions import ScanConditions, check, scan_conditions
from reg2rg.measurements.measurement import Measurement
from reg2rg.measurements.measures import MEASURES
from reg2rg.measurements.reading import Reading
from reg2rg.measurements.scan import Scan
from reg2rg.regions import in_reading_order
from reg2rg.segmentation.masks import RegionMasks
from reg2rg.segmentation.structures import GROUPS, Structures

if TYPE_CHECKING:
    from reg2rg.measurements.findings import LocatedOutline


@dataclass(frozen=True)
class Evidence:
    """What was measured in a volume.

    Attributes:
        conditions: how the volume was acquired.
        measurements: results in reading order, those without a value included.
    """

    conditions: ScanConditions
    measurements: tuple[Measurement, ...]

    def of(self, region: str) -> tuple[Measurement, ...]:
        """Return the measurements that a region's section reports."""
        return tuple(measurement for measurement in self.measurements if measurement.region == region)

    def within(self, regions: Collection[str]) -> Evidence:
        """Return the measurements of some regions, or of all if ``regions`` is empty."""
        measurements = tuple(each for each in self.measurements if not regions or each.region in regions)
        return replace(self, measurements=measurements)


def measure(volume: sitk.Image, structures: Structures, masks: RegionMasks) -> Evidence:
    """Measure everything in the table that the structures allow.

    Args:
        volume: image in HU, of any orientation.
        structures: structures on the same grid.
        masks: regions on the same grid.
    """
    scan = Scan.create(volume, structures, masks)
    conditions = scan_conditions(scan)
    results = []
    for reading in _readings(scan, conditions):
        approximate = any(name in masks.approximate or structures.is_approximate(name) for name in reading.structures)
        results.append(_complete(reading, conditions, approximate))
    return Evidence(conditions, _in_reading_order(results))


def with_findings(
    evidence: Evidence, volume: sitk.Image, outlines: Iterable[LocatedOutline], sized: Collection[str]
) -> Evidence:
    """Return the evidence together with the diameters of located findings.

    Args:
        evidence: what was measured in the volume.
        volume: image in HU, of any orientation.
        outlines: outlines of the findings.
        sized: labels of findings that have a diameter, such as nodules. Of others, the extent of the outline is
            measured, which the text does not state.
    """
    from reg2rg.measurements.findings import finding_readings  # imports scipy; reports are read without it

    results = [
        _complete(reading, evidence.conditions, approximate)
        for reading, approximate in finding_readings(volume, outlines, sized)
    ]
    return replace(evidence, measurements=_in_reading_order([*evidence.measurements, *results]))


def _in_reading_order(results: Sequence[Measurement]) -> tuple[Measurement, ...]:
    order = [region.name for region in in_reading_order({result.region for result in results})]
    return tuple(sorted(results, key=lambda result: order.index(result.region)))


def _readings(scan: Scan, conditions: ScanConditions) -> Iterator[Reading]:
    # These files import scipy; reports are read without it.
    from reg2rg.measurements.abdomen import abdomen_measures, thyroid_measures
    from reg2rg.measurements.bones import vertebra_measures
    from reg2rg.measurements.chest_vessels import airway_and_vessel_measures
    from reg2rg.measurements.heart import heart_measures
    from reg2rg.measurements.lungs import lung_measures, pleura_measures

    yield from lung_measures(scan, conditions.noise_hu)
    yield from pleura_measures(scan)
    yield from airway_and_vessel_measures(scan)
    yield from heart_measures(scan)
    yield from vertebra_measures(scan)
    yield from abdomen_measures(scan)
    yield from thyroid_measures(scan)


def _complete(reading: Reading, conditions: ScanConditions, approximate: bool) -> Measurement:
    """Add what the table knows about a reading's measure.

    Args:
        reading: the reading.
        conditions: how the volume was acquired.
        approximate: whether the outline that it was taken from was estimated.
    """
    row = MEASURES[reading.measure]
    names = (*row.required, *row.conditions)
    members = _members(reading.structures)
    checked = tuple(check(name, conditions, members, approximate) for name in names)
    value = reading.value
    refused = [c.reason for c in checked if c.name in row.required and c.met is False]
    if value is not None and refused:
        value = None
        text = f"not given: {'; '.join(refused)}"
    else:
        text = row.format(value) if value is not None else f"not given: {reading.reason}"
        if value is not None and reading.detail:
            text += f" ({reading.detail})"
    reliable = value is not None and not any(c.met is False for c in checked)
    cutoff = row.cutoff(value) if reliable and value is not None else None
    return Measurement(
        measure=row.id,
        region=reading.region or row.region,
        label=row.label,
        part=reading.part,
        unit=row.unit,
        value=None if value is None else round(value, 4),
        uncertainty=None if value is None or reading.uncertainty is None else round(reading.uncertainty, 4),
        text=text,
        adjective=cutoff.adjective if cutoff else None,
        cutoff=cutoff.words(row.unit) if cutoff else None,
        structures=reading.structures,
        lines=reading.lines if value is not None else (),
        conditions=checked,
        source=row.source,
    )


def _members(structures: Sequence[str]) -> tuple[str, ...]:
    """Return structures together with the members of the groups among them."""
    return tuple(dict.fromkeys(member for name in structures for member in (name, *GROUPS.get(name, ()))))
