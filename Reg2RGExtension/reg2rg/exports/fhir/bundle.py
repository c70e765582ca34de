"""The FHIR bundle: a transaction with the report, its parts, and everything they refer to.

A signed report claims IHE's profile of Interactive Multimedia Reports (RAD IMR 1.1). A draft has no human interpreter,
so it is a preliminary report that claims no profile. Identifiers follow from the content of the report, so that the
same report sent twice is stored once. The patient has no name and no number: who it is, the DICOM study says.
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reg2rg.about import __version__
from reg2rg.errors import InputError
from reg2rg.exports.dicom.codes import measure_code, unit_code
from reg2rg.exports.dicom.series import DEVICE, MANUFACTURER, Origin
from reg2rg.exports.dicom.source import open_source
from reg2rg.exports.dicom.study import check_version, dicom_objects, without_warnings
from reg2rg.exports.fhir.selections import Selection, Selector
from reg2rg.exports.fhir.study import Study
from reg2rg.exports.sending.address import parse_address
from reg2rg.exports.templates import page_title, template
from reg2rg.exports.terminology import finding_kind
from reg2rg.measurements import Measurement
from reg2rg.regions import get_region
from reg2rg.report import ContentSection, Finding, Report, Target

IMR_BUNDLE = "https://profiles.ihe.net/RAD/IMR/StructureDefinition/imr-store-multimedia-report-bundle"

SERVER = "https://fhir.invalid"
"""Base of the bundle's full URLs. Only the identifiers after it matter; a server puts its own address there."""

DICOMWEB = "https://dicomweb.invalid"
"""Base of the links to slices, unless the address of a DICOMweb service is given. The name cannot exist (RFC 2606)."""

_NAMESPACE = uuid.UUID("6f1c27a6-2d4e-5b8a-9a57-0d7f0f2f6f21")
_SYSTEMS = {
    "SCT": "http://snomed.info/sct",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "UCUM": "http://unitsofmeasure.org",
}
_STATUS = {"draft": "preliminary", "signed": "final", "addendum": "amended"}
_PRESENT, _ABSENT = ("52101004", "Present"), ("2667000", "Absent")


@dataclass(frozen=True)
class Part:
    """A part of a line of the text.

    Attributes:
        words: the words.
        selection: what they point to; None if nothing.
        id: identifier of the ImagingSelection.
        url: address at which the slice is shown.
    """

    words: str
    selection: Selection | None = None
    id: str = ""
    url: str = ""


def write_fhir(
    report: Report, ct: Path, path: Path, *, study: Mapping[str, str] | None = None, dicomweb: str | None = None
) -> None:
    """Write a report as a FHIR R4 bundle (JSON).

    It refers to the objects that the DICOM export of the same report and CT writes.

    Args:
        report: the report with its folder.
        ct: the CT that the report was made from: a DICOM folder, or a volume file for a synthetic study.
        path: file to write.
        study: DICOM keyword -> value, patient and study of a CT without DICOM headers.
        dicomweb: URL of the DICOMweb service where the objects are stored, for links to slices. A user name and a
            password are left out.

    Raises:
        InputError: the report was made from another volume, or the headers of the series or the URL are not valid.
    """
    check_version()
    service = _service(dicomweb)
    with without_warnings():
        origin = Origin.of(report, open_source(report, ct, study))
        objects = Study.of(origin.source, (dataset for _, dataset in dicom_objects(origin)))
    bundle = _Bundle(origin, objects, service).build()
    path.write_text(json.dumps(bundle, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _service(dicomweb: str | None) -> str:
    """Return the base of the links to slices."""
    if dicomweb is None:
        return DICOMWEB
    address = parse_address(dicomweb)
    if address.is_node:
        raise InputError(f"{address} is a DICOM node; links need the https:// URL of a DICOMweb service.")
    return str(address)


_Sections = Sequence[tuple[ContentSection, Sequence[Sequence[Part]]]]
"""Sections with the lines of their text."""


class _Bundle:
    """Builds a bundle, resource by resource."""

    def __init__(self, origin: Origin, study: Study, dicomweb: str) -> None:
        self._origin = origin
        self._content = origin.content
        self._study = study
        self._dicomweb = dicomweb
        self._selector = Selector(origin.report, study)
        self._resources: list[dict[str, Any]] = []
        self._issued = self._content.signature.time if self._content.signature else origin.report.provenance.created

    def build(self) -> dict[str, Any]:
        """Return the bundle."""
        signed = self._content.signature is not None
        self._patient = self._add("Patient", "", {"active": True})
        self._organization = self._add("Organization", "", {"name": "Not stated"})
        self._device = self._add("Device", "", _device(self._origin.report))
        service = [self._endpoint(self._dicomweb, "DICOM objects")]
        study = {
            "status": "available",
            "subject": self._patient,
            "endpoint": service,
            **self._study.imaging_study(),
        }
        self._imaging_study = self._add("ImagingStudy", "", study)
        results = [self._add("Observation", key, content) for key, content in self._observations()]
        sections = [(section, list(self._lines(section))) for section in self._content.sections]
        report = {
            "text": {"status": "additional", "div": self._div(sections)},
            "status": _STATUS[self._content.status],
            "category": [_coded("http://terminology.hl7.org/CodeSystem/v2-0074", "RAD", "Radiology")],
            "code": _coded("http://loinc.org", "24627-2", "CT Chest"),
            "subject": self._patient,
            "issued": self._issued,
            "performer": [self._organization],
            "result": results,
            "imagingStudy": [self._imaging_study],
            "conclusion": self._conclusion(),
            "presentedForm": [self._presented(sections)],
        }
        if signed:
            report["resultsInterpreter"] = [self._add("Practitioner", "", self._reader())]
        self._add("DiagnosticReport", "", report)
        return {
            "resourceType": "Bundle",
            **({"meta": {"profile": [IMR_BUNDLE]}} if signed else {}),
            "type": "transaction",
            "timestamp": self._issued,
            "entry": [
                {
                    "fullUrl": f"{SERVER}/{resource['resourceType']}/{resource['id']}",
                    "resource": resource,
                    "request": {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"},
                }
                for resource in self._resources
            ],
        }

    def _id(self, kind: str, key: str) -> str:
        return str(uuid.uuid5(_NAMESPACE, f"{self._origin.identity} {self._study.slices[0].series} {kind} {key}"))

    def _add(self, kind: str, key: str, content: dict[str, Any]) -> dict[str, str]:
        """Add a resource, unless it is there already, and return a reference to it."""
        resource = {"resourceType": kind, "id": self._id(kind, key), **content}
        if resource not in self._resources:
            self._resources.append(resource)
        return {"reference": f"{kind}/{resource['id']}"}

    def _lines(self, section: ContentSection) -> Iterator[list[Part]]:
        """Yield the lines of a section: its text, its findings, and what was measured."""
        text = [s for s in section.sentences if not s.measured]
        if text:
            yield [part for n, s in enumerate(text) for part in self._parts(section, f"text/{n}", s.text, s.targets)]
        for n, (line, finding) in enumerate(zip(section.finding_lines, section.findings, strict=True)):
            yield self._parts(section, f"finding/{n}", line, (Target(section.region, finding=finding),))
        for n, sentence in enumerate(s for s in section.sentences if s.measured):
            yield self._parts(section, f"measured/{n}", sentence.text, sentence.targets)

    def _parts(self, section: ContentSection, key: str, words: str, targets: tuple[Target, ...]) -> list[Part]:
        """Return words that point to the first target, followed by the names of further targets."""
        parts = []
        for number, target in enumerate(targets):
            selection = self._selector.select(section, target)
            if selection is None:
                parts += [Part(words)] if number == 0 else []
                continue
            shown = words if number == 0 else f"[{selection.name}]"
            parts.append(self._reference(shown, selection, f"{section.region}/{key}/{number}"))
        return parts

    def _reference(self, words: str, selection: Selection, key: str) -> Part:
        url = f"{self._dicomweb}{selection.path}"
        references = {
            "subject": self._patient,
            "derivedFrom": [self._imaging_study],
            "endpoint": [self._endpoint(url, "Rendered slice")],
            "issued": self._issued,
        }
        reference = self._add("ImagingSelection", key, selection.resource(references))
        return Part(words, selection, reference["reference"].rpartition("/")[2], url)

    def _endpoint(self, url: str, payload: str) -> dict[str, str]:
        content = {
            "status": "active",
            "connectionType": {
                "system": "http://terminology.hl7.org/CodeSystem/endpoint-connection-type",
                "code": "dicom-wado-rs",
            },
            "payloadType": [{"text": payload}],
            "address": url,
        }
        return self._add("Endpoint", url, content)

    def _observations(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for section in self._content.sections:
            code, meaning = get_region(section.region).snomed
            common = {
                "status": _STATUS[self._content.status],
                "category": [
                    _coded("http://terminology.hl7.org/CodeSystem/observation-category", "imaging", "Imaging")
                ],
                "subject": self._patient,
                "issued": self._issued,
                "bodySite": _coded(_SYSTEMS["SCT"], code, meaning),
                "device": self._device,
                "derivedFrom": [self._imaging_study],
            }
            for line, finding in zip(section.finding_lines, section.findings, strict=True):
                yield f"{section.region}/{finding.label}", {**common, **_finding(finding, line)}
            for measurement in section.measurements:
                yield measurement.key, {**common, **_measurement(measurement)}

    def _conclusion(self) -> str:
        """Return the impression. That of a draft begins with its banner, because servers show it on its own."""
        return "\n".join(line for line in (self._content.banner, self._content.impression) if line) or "No impression."

    def _div(self, sections: _Sections) -> str:
        return f'<div xmlns="http://www.w3.org/1999/xhtml">{self._text(sections, links=False)}</div>'

    def _presented(self, sections: _Sections) -> dict[str, Any]:
        title = page_title(self._content)
        head = f'<head><meta charset="utf-8"><title>{title}</title></head>'
        body = self._text(sections, links=True)
        page = f'<!DOCTYPE html>\n<html lang="en">{head}<body>{body}</body></html>\n'.encode()
        sha1 = hashlib.sha1(page, usedforsecurity=False).digest()  # the hash that FHIR asks for
        return {
            "contentType": "text/html",
            "language": "en",
            "data": base64.b64encode(page).decode(),
            "size": len(page),
            "hash": base64.b64encode(sha1).decode(),
            "title": title,
            "creation": self._issued,
        }

    def _text(self, sections: _Sections, *, links: bool) -> str:
        return template(Path(__file__).parent, "narrative.html").render(
            content=self._content,
            label=self._content.banner or self._content.disclaimer,
            sections=sections,
            skipped=[(get_region(name).display_name, reason) for name, reason in self._content.skipped],
            links=links,
        )

    def _reader(self) -> dict[str, Any]:
        assert self._content.signature is not None
        return {"name": [{"text": self._content.signature.reviewer}]}


def _device(report: Report) -> dict[str, Any]:
    weights = {"type": {"text": "SHA-256 of the model's weights"}, "value": report.provenance.model_sha256}
    return {
        "manufacturer": MANUFACTURER,
        "deviceName": [{"name": DEVICE, "type": "model-name"}],
        "type": _coded(_SYSTEMS["DCM"], "123110", "Artificial Intelligence"),
        "version": [{"value": __version__}, weights],
    }


def _finding(finding: Finding, line: str) -> dict[str, Any]:
    kind = finding_kind(finding.label)
    code = _coded(_SYSTEMS["SCT"], *kind) if kind else {}
    return {
        "code": {**code, "text": finding.label},
        "valueCodeableConcept": _coded(_SYSTEMS["SCT"], *(_PRESENT if finding.present else _ABSENT)),
        "note": [{"text": line}],
    }


def _measurement(measurement: Measurement) -> dict[str, Any]:
    code, unit = measure_code(measurement.measure, measurement.label), unit_code(measurement.unit)
    system = _SYSTEMS.get(code.scheme_designator)  # private codes are given as text
    coding = _coded(system, code.value, code.meaning) if system else {}
    interpretation = {"interpretation": [{"text": measurement.adjective}]} if measurement.adjective else {}
    return {
        "code": {**coding, "text": measurement.name},
        "valueQuantity": {
            "value": measurement.value,
            "unit": measurement.unit or "1",
            "system": _SYSTEMS["UCUM"],
            "code": unit.value,
        },
        **interpretation,
        "note": [{"text": note} for note in (measurement.text, *measurement.reservations)],
    }


def _coded(system: str, code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": display}]}
