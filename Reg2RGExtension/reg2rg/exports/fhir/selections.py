"""ImagingSelections: what the words of a report point to in the images.

ImagingSelection is a resource of FHIR R5 that IMR uses beside R4. Each reference of the text has one of its own,
because the identifiers of spans must be unique. It names a segment of a DICOM segmentation, and its endpoint shows the
slice through the middle of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from reg2rg.exports.dicom.segments import segment_key
from reg2rg.exports.dicom.series import Kind
from reg2rg.exports.fhir.study import Instance, Study
from reg2rg.measurements.measurement import RasPoint
from reg2rg.measurements.reviewing import finding_key
from reg2rg.regions import get_region
from reg2rg.report import ContentSection, Report, Target

OF_INTEREST = {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "113000", "display": "Of Interest"}


@dataclass(frozen=True)
class Selection:
    """What a reference points to.

    Attributes:
        name: what it is, in words.
        instance: the segmentation.
        number: number of the segment in it.
        region: name of the region.
        path: where a DICOMweb service shows the slice, from its base address on.
    """

    name: str
    instance: Instance
    number: int
    region: str
    path: str

    def resource(self, references: dict[str, Any]) -> dict[str, Any]:
        """Return the content of the ImagingSelection.

        Args:
            references: subject, study, endpoint and issued time.
        """
        code, meaning = get_region(self.region).snomed
        return {
            "status": "available",
            "code": {"coding": [OF_INTEREST], "text": self.name},
            "bodySite": {
                "concept": {"coding": [{"system": "http://snomed.info/sct", "code": code, "display": meaning}]}
            },
            "studyUid": self.instance.study,
            "seriesUid": self.instance.series,
            "instance": [
                {
                    "uid": self.instance.uid,
                    "sopClass": {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{self.instance.sop_class}"},
                    "subset": [str(self.number)],
                }
            ],
            **references,
        }


class Selector:
    """Finds what a reference points to.

    Args:
        report: the report with its folder.
        study: the objects of its study.
    """

    def __init__(self, report: Report, study: Study) -> None:
        self._report = report
        self._study = study
        self._middles: dict[str, RasPoint] = {}

    def select(self, section: ContentSection, target: Target) -> Selection | None:
        """Return what a target points to; None if no object shows its region."""
        name, keys, point = section.title, [], None
        if target.finding is not None:
            name = target.finding.label
            keys = [segment_key(Kind.FINDINGS, target.finding.segment)] if target.finding.segment else []
            point = target.finding.location.point_ras if target.finding.location else None
        if (measurement := target.measurement) is not None:
            name = measurement.name
            sized = {finding_key(section.region, f.label): f.segment for f in section.findings}
            if segment := sized.get(measurement.key):
                keys.append(segment_key(Kind.FINDINGS, segment))
            if len(measurement.structures) == 1:
                keys.append(segment_key(Kind.STRUCTURES, measurement.structures[0]))
            if measurement.lines:
                line = measurement.lines[0]
                point = tuple(float(mm) for mm in np.mean([line.start_ras, line.end_ras], axis=0))  # type: ignore[assignment]
        keys.append(segment_key(Kind.REGIONS, section.region))
        found = next((self._study.segments[key] for key in keys if key in self._study.segments), None)
        if found is None:
            return None
        path = self._study.rendered_path(point or self._middle(section.region))
        return Selection(name, *found, section.region, path)

    def _middle(self, region: str) -> RasPoint:
        """Return a point of a region's largest slice, in RAS mm."""
        if region not in self._middles:
            masks = self._report.masks
            box = masks.boxes[region]
            areas = np.count_nonzero(masks.array(region, box), axis=(1, 2))
            z = box[0].start + int(areas.argmax())
            y, x = ((span.start + span.stop) // 2 for span in box[1:])
            left, posterior, superior = masks.bits.TransformIndexToPhysicalPoint((x, y, z))
            self._middles[region] = (-left, -posterior, superior)
        return self._middles[region]
