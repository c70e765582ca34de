"""Regions, structures and findings as segments on the slices of the source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from reg2rg.exports.dicom.codes import abnormal, anatomical, finding_code, region_code, structure_codes
from reg2rg.exports.dicom.placing import Place
from reg2rg.exports.dicom.series import Kind
from reg2rg.regions import get_region, in_reading_order
from reg2rg.report import Content, Report
from reg2rg.segmentation.masks import region_flag
from reg2rg.segmentation.structures import STRUCTURE_REGIONS, Structures, display_name, structure_label

if TYPE_CHECKING:
    from pydicom.sr.coding import Code


@dataclass(frozen=True)
class Segment:
    """A segment to export.

    Attributes:
        layer: what it is one of.
        id: its ID in that layer: a region, a structure, or the ID of a finding's segment.
        label: name that viewers show.
        color: red, green, blue, 0 to 255.
        category: code of what kind of thing it is.
        kind: code of what it is.
        side: code of the side it is on; None if its kind says so or it has none.
        site: code of the region it is in; None for the region itself.
        approximate: whether it was estimated.
        mask: returns a boolean array on the slices of the source, (n, rows, columns).
    """

    layer: Kind
    id: str
    label: str
    color: tuple[int, int, int]
    category: Code
    kind: Code
    side: Code | None
    site: Code | None
    approximate: bool
    mask: Callable[[], np.ndarray]

    @property
    def key(self) -> str:
        """Its name within the report, such as "structures/aorta"."""
        return segment_key(self.layer, self.id)


def segment_key(layer: Kind, name: str) -> str:
    """Return the name of a segment within the report."""
    return f"{layer.file}/{name}"


def region_segments(report: Report, place: Place) -> Iterator[Segment]:
    """Yield the regions of a report in reading order."""
    masks = report.masks
    bits = place(sitk.GetArrayViewFromImage(masks.bits))
    for region in in_reading_order(masks.present):
        flag = region_flag(region.name)
        yield Segment(
            layer=Kind.REGIONS,
            id=region.name,
            label=region.display_name,
            color=region.color,
            category=anatomical(),
            kind=region_code(region),
            side=None,
            site=None,
            approximate=region.name in masks.approximate,
            mask=lambda flag=flag: (bits & flag) != 0,  # type: ignore[misc]  # mypy knows no defaults of lambdas
        )


def structure_segments(structures: Structures, place: Place) -> Iterator[Segment]:
    """Yield the structures that measurements were taken from."""
    labels = place(sitk.GetArrayViewFromImage(structures.labels))
    for name in structures.present:
        region = get_region(STRUCTURE_REGIONS[name])
        category, kind, side = structure_codes(name)
        label = structure_label(name)
        yield Segment(
            layer=Kind.STRUCTURES,
            id=name,
            label=display_name(name),
            color=region.color,
            category=category,
            kind=kind,
            side=side,
            site=region_code(region),
            approximate=name in structures.approximate,
            mask=lambda label=label: labels == label,  # type: ignore[misc]  # mypy knows no defaults of lambdas
        )


def finding_segments(report: Report, content: Content, place: Place) -> Iterator[Segment]:
    """Yield the outlined findings that the report lists as present."""
    for section in content.sections:
        region = get_region(section.region)
        for finding in section.findings:
            if finding.segment is None or not finding.present:
                continue
            mask = place(report.finding_mask(section.region, finding.label))
            yield Segment(
                layer=Kind.FINDINGS,
                id=finding.segment,
                label=f"{finding.label} ({region.display_name.lower()})",
                color=region.bright_color,
                category=abnormal(),
                kind=finding_code(finding.label),
                side=None,
                site=region_code(region),
                approximate=True,
                mask=lambda mask=mask: mask,  # type: ignore[misc]  # mypy knows no defaults of lambdas
            )
