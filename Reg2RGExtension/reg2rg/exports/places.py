"""Places: what a link in the report shows in the pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from reg2rg.exports.view_grid import Index, View
from reg2rg.measurements import Measurement
from reg2rg.regions import Window, get_region
from reg2rg.report import Finding, Report, Target, location_words


@dataclass(frozen=True, eq=False)
class Place:
    """Something to show: a region, a finding or a measurement.

    Attributes:
        name: what is shown, in words.
        region: name of the region.
        center: voxel that the slices pass through.
        window: display window to see it in.
        mask: voxels (z, y, x) of a located finding; None otherwise.
        lines: both ends of each measurement line.
    """

    name: str
    region: str
    center: Index
    window: Window
    mask: np.ndarray | None = None
    lines: tuple[tuple[Index, Index], ...] = ()


class Places:
    """All places of a report, by number. A place that is asked for again has the same number.

    Args:
        report: the report, with its folder.
        view: the CT and its regions.
    """

    def __init__(self, report: Report, view: View) -> None:
        self.all: list[Place] = []
        self._report = report
        self._view = view
        self._numbers: dict[tuple[str, str], int | None] = {}

    def of_targets(self, targets: Iterable[Target]) -> list[int]:
        """Return the numbers of what a sentence points to.

        A finding without an outline is shown as its region, and so is a measurement that was not taken along lines.
        """
        numbers = (self._of_target(target) for target in targets)
        return list(dict.fromkeys(number for number in numbers if number is not None))

    def _of_target(self, target: Target) -> int | None:
        region, number = target.region, None
        if (finding := target.finding) is not None and finding.segment is not None:
            number = self._number("finding", finding.segment, lambda: self._finding(region, finding))
        if (measurement := target.measurement) is not None and measurement.lines:
            number = self._number("measurement", measurement.key, lambda: self._measurement(measurement))
        return number if number is not None else self._number("region", region, lambda: self._region(region))

    def _number(self, kind: str, key: str, make: Callable[[], Place | None]) -> int | None:
        if (kind, key) not in self._numbers:
            place = make()
            self._numbers[kind, key] = None if place is None else len(self.all)
            if place is not None:
                self.all.append(place)
        return self._numbers[kind, key]

    def _region(self, name: str) -> Place | None:
        region, mask = get_region(name), self._view.mask(name)
        if not mask.any():
            return None
        return Place(region.display_name, name, _largest_sections(mask), region.window)

    def _finding(self, region: str, finding: Finding) -> Place | None:
        outline = self._report.finding_mask(region, finding.label)
        mask = self._view.resampled(outline, self._report.provenance.geometry.to_image())
        center = self._view.index(finding.location.point_ras) if finding.location else _largest_sections(mask)
        words = [finding.label, location_words(region, finding.side, finding.level)]
        name = ", ".join(word for word in words if word)
        return Place(name, region, center, get_region(region).window, mask if mask.any() else None)

    def _measurement(self, measurement: Measurement) -> Place:
        lines = tuple((self._view.index(line.start_ras), self._view.index(line.end_ras)) for line in measurement.lines)
        x, y, z = np.mean(lines[0], axis=0)
        region = get_region(measurement.region)
        return Place(measurement.name, region.name, (float(x), float(y), float(z)), region.window, lines=lines)


def _largest_sections(mask: np.ndarray) -> Index:
    """Return the voxel where the axial, the coronal and the sagittal slice with the most voxels of a mask meet."""
    z, y, x = (int(np.count_nonzero(mask, axis=axes).argmax()) for axes in ((1, 2), (0, 2), (0, 1)))
    return float(x), float(y), float(z)
