"""The DICOM objects that a bundle refers to: the slices of the CT, and what the DICOM export writes for a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reg2rg.exports.dicom.source import Source
from reg2rg.measurements.measurement import RasPoint

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SEGMENTATION, LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"
"""Storage classes of segmentations (PS3.4, B.5)."""


@dataclass(frozen=True)
class Instance:
    """A DICOM object.

    Attributes:
        study, series, uid: the UIDs of study, series and object.
        sop_class: UID of its storage class.
        modality: modality of the series.
        description: description of the series; empty for the series of the CT, whose words may come from a clinic.
    """

    study: str
    series: str
    uid: str
    sop_class: str
    modality: str
    description: str

    @classmethod
    def of(cls, dataset: Dataset, description: str = "") -> Instance:
        """Return the identity of a DICOM object."""
        return cls(
            str(dataset.StudyInstanceUID),
            str(dataset.SeriesInstanceUID),
            str(dataset.SOPInstanceUID),
            str(dataset.SOPClassUID),
            str(dataset.Modality),
            description,
        )


@dataclass(frozen=True)
class Study:
    """The objects of a study.

    Attributes:
        source: the CT.
        slices: the files of the CT.
        objects: the objects of the report.
        segments: key of a segment, such as "regions/lung" -> its segmentation and its number in it.
    """

    source: Source
    slices: Sequence[Instance]
    objects: Sequence[Instance]
    segments: Mapping[str, tuple[Instance, int]]

    @classmethod
    def of(cls, source: Source, objects: Iterable[Dataset]) -> Study:
        """Return the study of a CT and the objects of its report."""
        instances, segments = [], {}
        for dataset in objects:
            instance = Instance.of(dataset, str(dataset.SeriesDescription))
            instances.append(instance)
            if instance.sop_class in (SEGMENTATION, LABEL_MAP):
                for item in dataset.SegmentSequence:
                    if "TrackingID" in item:
                        segments[str(item.TrackingID)] = (instance, int(item.SegmentNumber))
        return cls(source, [Instance.of(header) for header in source.headers], instances, segments)

    def rendered_path(self, point: RasPoint) -> str:
        """Return where a DICOMweb service shows the slice through a point (PS3.18, 10.4), from its base address on."""
        right, anterior, superior = point
        lps = np.array((-right, -anterior, superior))
        distances = [abs((lps - s.position) @ np.cross(*s.orientation)) for s in self.source.slices]
        nearest = self.source.slices[int(np.argmin(distances))]
        slice_ = self.slices[nearest.image]
        frame = f"/frames/{nearest.frame + 1}" if "NumberOfFrames" in self.source.headers[nearest.image] else ""
        return f"/studies/{slice_.study}/series/{slice_.series}/instances/{slice_.uid}{frame}/rendered"

    def imaging_study(self) -> dict[str, Any]:
        """Return the content of the ImagingStudy: its UID, and its series with their objects."""
        by_series: dict[str, list[Instance]] = {}
        for instance in (*self.slices, *self.objects):
            by_series.setdefault(instance.series, []).append(instance)
        return {
            "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{self.slices[0].study}"}],
            "series": [_series(instances) for instances in by_series.values()],
        }


def _series(instances: Sequence[Instance]) -> dict[str, Any]:
    first = instances[0]
    series: dict[str, Any] = {
        "uid": first.series,
        "modality": {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": first.modality},
        "instance": [
            {"uid": each.uid, "sopClass": {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{each.sop_class}"}}
            for each in instances
        ],
    }
    return series | ({"description": first.description} if first.description else {})
