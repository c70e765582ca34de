"""Comparison of two CTs: findings and measurements are matched, and their changes are classified.

A lesion of one CT is looked for in the other at the place to which the registration maps it, whether it was detected
there or not. So a lesion that the model missed in one of the CTs is neither new nor resolved.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import SimpleITK as sitk

from reg2rg.measurements import Evidence, Measurement
from reg2rg.measurements.findings import SOLID_LABELS
from reg2rg.measurements.measures import MEASURES
from reg2rg.measurements.reviewing import finding_key
from reg2rg.prior.cutoffs import (
    DIAMETER_CUTOFF,
    MEASURE_CUTOFFS,
    VOLUME_CUTOFF,
    diameter_change,
    doubling_days,
    measure_change,
    volume_change,
)
from reg2rg.prior.lesions import SOLID_HU, Lesion, find_lesion, volumes_mm3
from reg2rg.prior.registration import Registration, register
from reg2rg.prior.scan import ComparedScan
from reg2rg.prior.surroundings import shift_between
from reg2rg.prior.wording import change_sentence
from reg2rg.regions import REGION_NAMES, in_reading_order
from reg2rg.report import Finding, Geometry, location_words
from reg2rg.report.prior import ChangeKind, IntervalChange, PriorComparison
from reg2rg.runtime.callbacks import ProgressCallback, ShouldCancel, ignore_progress, never_cancel

TOLERANCE_MM = 8.0
"""How far from its expected place a lesion may be found: the error of the registration, and that of breathing."""

MATCHED_TOLERANCE_MM = 3.0
"""The same if the vessels around the lesion match: half a thick slice, and the shift of the center of a lesion that
doubles its volume toward one side. Farther away is another structure."""

SURROUNDINGS_MM = 3.0
"""Distance from a lesion at which its surroundings begin."""

DETECTION_TOLERANCE_MM = 12.0
"""How far from the place that the model marks a lesion may be found; the cells of a finding map are coarse."""

REPORT_TOLERANCE_MM = 20.0
"""How far from its expected place a lesion may be described in a prior report, which gives coarse locations."""

BORDER_MM = 5.0
"""A point closer to the border of a scan than this is not fully in view."""

SMALLEST_SHARE = 1 / 16
"""A lesion with less than this share of the other's volume is something else, such as a vessel."""

PATIENT_NOT_CHECKED = (
    "Only the report of the prior CT was available, so it was not checked whether it is the same patient's."
)
"""Warning that lungs of another patient can be brought into line as well, which only the images tell."""

NOTHING_COMPARED = (
    "Nothing in this draft could be compared with the prior CT; only nodules, masses and some measurements can be."
)
"""Warning that the silence about changes does not mean that there are none."""


@dataclass(frozen=True)
class ComparedScans:
    """Two CTs that were compared.

    Attributes:
        comparison: what changed.
        transform: maps points (LPS, mm) of the current CT to the prior one; None if the comparison was refused.
    """

    comparison: PriorComparison
    transform: sitk.Transform | None = None


def compare(
    current: ComparedScan,
    prior: ComparedScan,
    days: int | None,
    regions: Collection[str] = REGION_NAMES,
    progress: ProgressCallback = ignore_progress,
    should_cancel: ShouldCancel = never_cancel,
) -> ComparedScans:
    """Compare a CT with a prior one.

    Args:
        current: the current CT, with its volume.
        prior: the prior CT, or what its report says.
        days: days from the prior CT to the current one; None if unknown.
        regions: the regions that the draft describes; changes in others are left out.
        progress: receives the fraction done.
        should_cancel: checked between steps.
    """
    source: Literal["ct", "report"] = "report" if prior.volume is None else "ct"
    if days is not None and days < 0:
        return _refused(source, None, "it was acquired after this CT")
    if any("lung" not in scan.masks.present for scan in (current, prior)):
        return _refused(source, days, "the lungs were not found in both CTs")
    registration = register(current, prior, progress, should_cancel)
    if registration.failure is not None:
        return _refused(source, days, registration.failure, registration)
    differences = _Differences(current, prior, registration, days)
    found = [*differences.measurements(), *(differences.findings() if "lung" in regions else ())]
    changes = [change for change in found if change.region in regions]
    order = [region.name for region in in_reading_order({change.region for change in changes})]
    changes.sort(key=lambda change: order.index(change.region))
    warnings = [PATIENT_NOT_CHECKED] if source == "report" else []
    unlike = [name for name, scan in (("this CT", current), ("the prior CT", prior)) if scan.findings is None]
    if unlike:
        reason = f"{' and '.join(unlike)} {'is' if len(unlike) == 1 else 'are'} unlike the model's training data"
        warnings.append(f"Findings were not compared with the prior CT, because {reason}.")
    elif not changes:
        warnings.append(NOTHING_COMPARED)
    comparison = PriorComparison(
        source,
        days,
        registration.lung_dice,
        registration.detail,
        tuple(warnings),
        tuple(changes),
        Geometry.from_image(prior.masks.bits),
    )
    return ComparedScans(comparison, registration.transform)


def _refused(
    source: Literal["ct", "report"], days: int | None, reason: str, registration: Registration | None = None
) -> ComparedScans:
    """Return a comparison that was refused.

    Args:
        source: what the prior is.
        days: the interval in days.
        reason: why, as a phrase.
        registration: the registration that failed, if there is one.
    """
    dice, detail = (registration.lung_dice, registration.detail) if registration is not None else (None, None)
    return ComparedScans(
        PriorComparison(source, days, dice, detail, (f"The prior CT was not compared: {reason}.",), ())
    )


class _Differences:
    """The differences between two registered scans."""

    def __init__(
        self, current: ComparedScan, prior: ComparedScan, registration: Registration, days: int | None
    ) -> None:
        self._current = current
        self._prior = prior
        self._registration = registration
        self._days = days

    def measurements(self) -> Iterator[IntervalChange]:
        """Yield the changes of measurements that both CTs allow without reservation."""
        before = {m.key: m for m in _reliable(self._prior.evidence)}
        for now in _reliable(self._current.evidence):
            then, cutoff = before.get(now.key), MEASURE_CUTOFFS.get(now.measure)
            if then is None or cutoff is None or now.value is None or then.value is None:
                continue
            if cutoff.absent and now.value == then.value == 0:
                continue
            kind = measure_change(cutoff, now.value, then.value)
            row = MEASURES[now.measure]
            subject = f"the {now.name[0].lower()}{now.name[1:]}"
            remark = (
                cutoff.within(row)
                if kind is ChangeKind.STABLE and row.format(now.value) != row.format(then.value)
                else ""
            )
            yield IntervalChange(
                region=now.region,
                kind=kind,
                text=change_sentence(
                    subject,
                    kind,
                    self._days,
                    now=row.format(now.value),
                    before=row.format(then.value) if kind is not ChangeKind.NEW else "",
                    remark=remark,
                ),
                finding=None,
                measurement=now.key,
                value=now.value,
                prior_value=then.value,
                unit=row.unit,
                doubling_days=None,
                point_ras=None,
                prior_point_ras=None,
                cutoff=cutoff.source,
            )

    def findings(self) -> Iterator[IntervalChange]:
        """Yield the changes of solid lesions, first those of the current CT."""
        if self._current.findings is None or self._prior.findings is None:
            return
        matched: list[np.ndarray] = []
        for region, finding in _solid(self._current.findings):
            change = self._of_current(region, finding)
            if change.prior_point_ras is not None:
                matched.append(np.array(change.prior_point_ras))
            yield change
        for region, finding in _solid(self._prior.findings):
            lesion, place = _lesion_of(self._prior, region, finding)
            place_ras = _ras(place)
            if all(np.linalg.norm(place_ras - other) > DETECTION_TOLERANCE_MM for other in matched):
                yield self._of_prior(region, finding, lesion, place)

    def _of_current(self, region: str, finding: Finding) -> IntervalChange:
        """Return what became of a finding of the current CT."""
        lesion, place = _lesion_of(self._current, region, finding)
        expected = self._registration.to_prior(place)
        if not _in_view(self._prior, expected):
            return self._incomparable(region, finding, place, None, "its place is outside the prior field of view")
        if self._prior.volume is None:
            return self._with_report(region, finding, place, expected)
        stated, has_edge = self._stated_before(expected)
        if lesion is None:
            return self._incomparable(region, finding, place, stated, "it has no clear edge")
        earlier = self._counterpart(self._prior, place, lesion, stated)
        if earlier is None and stated is not None and not has_edge:
            return self._incomparable(region, finding, place, stated, "it had no clear edge")
        if earlier is None:
            volume, _ = volumes_mm3(lesion, lesion)
            return self._change(region, finding, ChangeKind.NEW, volume, None, place, None)
        volume, prior_volume = volumes_mm3(lesion, earlier)
        kind = volume_change(volume, prior_volume)
        return self._change(region, finding, kind, volume, prior_volume, lesion.center, earlier.center)

    def _of_prior(self, region: str, finding: Finding, lesion: Lesion | None, place: np.ndarray) -> IntervalChange:
        """Return what became of a finding of the prior CT that the current draft does not state."""
        expected = self._registration.to_current(place)
        if not _in_view(self._current, expected):
            return self._incomparable(region, finding, None, place, "its place is outside the current field of view")
        if lesion is None:
            reason = "its volume on the prior CT is unknown" if self._prior.volume is None else "it had no clear edge"
            return self._incomparable(region, finding, None, place, reason)
        later = self._counterpart(self._current, expected, lesion)
        if later is None:
            volume, _ = volumes_mm3(lesion, lesion)
            return self._change(region, finding, ChangeKind.RESOLVED, None, volume, None, place)
        volume, prior_volume = volumes_mm3(later, lesion)
        kind = volume_change(volume, prior_volume)
        return self._change(region, finding, kind, volume, prior_volume, later.center, lesion.center)

    def _stated_before(self, expected: np.ndarray) -> tuple[np.ndarray | None, bool]:
        """Return where the prior draft states a finding near a place, and whether that has a clear edge.

        Args:
            expected: the place in the prior CT (x, y, z; LPS).
        """
        assert self._prior.findings is not None
        for region, finding in _solid(self._prior.findings):
            lesion, place = _lesion_of(self._prior, region, finding)
            if np.linalg.norm(place - expected) <= DETECTION_TOLERANCE_MM:
                return place, lesion is not None
        return None, False

    def _counterpart(
        self, scan: ComparedScan, place: np.ndarray, lesion: Lesion, stated: np.ndarray | None = None
    ) -> Lesion | None:
        """Return what a lesion of the other scan is in this one; None if there is nothing of a similar size.

        Args:
            scan: the scan to search.
            place: where the lesion is in the current scan, or is expected there (x, y, z; LPS).
            lesion: the lesion of the other scan.
            stated: where the draft of the scan states a finding (x, y, z; LPS). Even a small lesion there is no vessel.
        """
        current, prior = self._current.volume, self._prior.volume
        assert current is not None and prior is not None
        radius = (lesion.volume_mm3(SOLID_HU) * 3 / (4 * np.pi)) ** (1 / 3)
        shift = shift_between(current, prior, self._registration.transform, place, radius + SURROUNDINGS_MM)
        expected = place
        if scan is self._prior:
            expected = self._registration.to_prior(place if shift is None else place + shift)
        elif shift is not None:
            expected = place - shift
        found = find_lesion(current if scan is self._current else prior, scan.lungs, expected, TOLERANCE_MM)
        if found is None:
            return None
        is_stated = stated is not None and np.linalg.norm(found.center - stated) <= MATCHED_TOLERANCE_MM
        if found.excess <= (0 if is_stated else SMALLEST_SHARE * lesion.excess):
            return None
        matched = shift is None or np.linalg.norm(found.center - expected) <= MATCHED_TOLERANCE_MM
        return found if matched else None

    def _with_report(self, region: str, finding: Finding, place: np.ndarray, expected: np.ndarray) -> IntervalChange:
        """Compare the diameter of a finding with that in a prior report."""
        assert self._prior.findings is not None and self._current.findings is not None
        others = {other.label for _, other in _solid(self._current.findings)} - {finding.label}
        for _, earlier in _solid({region: self._prior.findings.get(region, ())}):
            if earlier.label in others:
                continue  # a nodule may have become a mass, unless the draft states both
            _, prior_place = _lesion_of(self._prior, region, earlier)
            if np.linalg.norm(prior_place - expected) <= REPORT_TOLERANCE_MM:
                now = _diameter(self._current.evidence, region, finding.label)
                then = _diameter(self._prior.evidence, region, earlier.label)
                if now is None or then is None:
                    return self._incomparable(region, finding, place, prior_place, "its diameter is not known exactly")
                return self._change(
                    region, finding, diameter_change(now, then), now, then, place, prior_place, unit="mm"
                )
        return self._incomparable(region, finding, place, None, "the prior report does not describe it there")

    def _change(
        self,
        region: str,
        finding: Finding,
        kind: ChangeKind,
        value: float | None,
        prior_value: float | None,
        point: np.ndarray | None,
        prior_point: np.ndarray | None,
        *,
        unit: str = "mm³",
        reason: str = "",
    ) -> IntervalChange:
        """Return the change of a finding.

        Args:
            region: its region.
            finding: the finding.
            kind: how it changed.
            value: current volume or diameter.
            prior_value: prior volume or diameter.
            point: where it is in the current CT (x, y, z; LPS).
            prior_point: where it is in the prior CT.
            unit: unit of both values.
            reason: why it is not comparable.
        """
        remarks, days = [reason] if reason else [], None
        if value is not None and prior_value is not None and kind is not ChangeKind.NOT_COMPARABLE:
            if unit == "mm³":
                percent = round(100 * (value / prior_value - 1))
                remarks.append(f"{percent:+}%" if percent else "0%")
            if kind is ChangeKind.LARGER and unit == "mm³":
                days = doubling_days(value, prior_value, self._days)
            if days is not None:
                remarks.append(f"volume doubling time {days:.0f} days")
        where = location_words(region, finding.side, finding.level)
        key = finding_key(region, finding.label)
        known = self._current.evidence is not None and any(m.key == key for m in self._current.evidence.measurements)
        return IntervalChange(
            region=region,
            kind=kind,
            text=change_sentence(
                f"the {finding.label.lower()}{f' in the {where}' if where else ''}",
                kind,
                self._days,
                now=_words(value, unit),
                before=_words(prior_value, unit),
                remark="; ".join(remarks),
            ),
            finding=finding.label,
            measurement=key if known and point is not None else None,
            value=None if value is None else round(value, 1),
            prior_value=None if prior_value is None else round(prior_value, 1),
            unit=unit,
            doubling_days=days,
            point_ras=_stored(point),
            prior_point_ras=_stored(prior_point),
            cutoff=VOLUME_CUTOFF if unit == "mm³" else DIAMETER_CUTOFF,
        )

    def _incomparable(
        self, region: str, finding: Finding, point: np.ndarray | None, prior_point: np.ndarray | None, reason: str
    ) -> IntervalChange:
        kind = ChangeKind.NOT_COMPARABLE
        return self._change(region, finding, kind, None, None, point, prior_point, reason=reason)


def _words(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:,.0f} {unit}"


def _reliable(evidence: Evidence | None) -> list[Measurement]:
    return [m for m in (evidence.measurements if evidence else ()) if m.value is not None and not m.reserved]


def _solid(findings: Mapping[str, Sequence[Finding]]) -> Iterator[tuple[str, Finding]]:
    """Yield the solid lesions of the lung that are present and located."""
    for finding in findings.get("lung", ()):
        if finding.label in SOLID_LABELS and finding.location is not None and finding.correction is not False:
            yield "lung", finding


def _lesion_of(scan: ComparedScan, region: str, finding: Finding) -> tuple[Lesion | None, np.ndarray]:
    """Return the lesion of a finding, and its place (x, y, z; LPS); None if it has no clear edge."""
    assert finding.location is not None
    place = finding.location.point_ras
    measured = _measurement(scan.evidence, region, finding.label)
    if measured is not None and measured.lines:
        line = measured.lines[0]
        place = tuple(np.add(line.start_ras, line.end_ras) / 2)  # the center of its own edge, if it has one
    point = np.array(place) * (-1, -1, 1)
    lesion = None if scan.volume is None else find_lesion(scan.volume, scan.lungs, point, DETECTION_TOLERANCE_MM)
    return lesion, point if lesion is None else lesion.center


def _measurement(evidence: Evidence | None, region: str, label: str) -> Measurement | None:
    key = finding_key(region, label)
    return next((m for m in _reliable(evidence) if m.key == key), None)


def _diameter(evidence: Evidence | None, region: str, label: str) -> float | None:
    measurement = _measurement(evidence, region, label)
    return None if measurement is None else measurement.value


def _in_view(scan: ComparedScan, point: np.ndarray) -> bool:
    """Return whether a point (x, y, z; LPS) and what surrounds it were scanned."""
    image = scan.masks.bits
    index = np.array(image.TransformPhysicalPointToContinuousIndex([float(value) for value in point]))
    border = BORDER_MM / np.array(image.GetSpacing())
    if (index < border).any() or (index > np.array(image.GetSize()) - 1 - border).any():
        return False
    if scan.volume is None:
        return True
    start, stop = np.floor(index - border).astype(int), np.ceil(index + border).astype(int) + 1
    x, y, z = (slice(int(low), int(high)) for low, high in zip(start, stop, strict=True))
    return bool(np.ptp(sitk.GetArrayViewFromImage(scan.volume)[z, y, x]) > 0)  # padding has a single value


def _ras(point: np.ndarray) -> np.ndarray:
    return point * (-1, -1, 1)


def _stored(point: np.ndarray | None) -> tuple[float, float, float] | None:
    if point is None:
        return None
    x, y, z = _ras(point).round(1).tolist()
    return x, y, z
