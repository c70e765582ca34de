"""Reviews as JSON: the report as the engine wrote it and, separately, the states, edits and impression.

The model's own text and the measured values are never overwritten. When a section is regenerated, the old one is
appended to "replaced".

Version 2 added the decisions about measurements. Version 1 is still read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from slicer.i18n import tr as _

from Reg2RGModuleLib import measurementReview
from Reg2RGModuleLib.reviewDocument import Document, SectionReview, State

FORM = "Reg2RG review"
VERSION = 2


def toJson(document: Document) -> str:
    """Return the content of a review as JSON."""
    return json.dumps(
        {
            "form": FORM,
            "version": VERSION,
            "report": json.loads(document.report.to_json()),
            "sections": {
                region: {"state": section.state.value, "text": section.text}
                for region, section in document.sections.items()
            },
            "impression": {"text": document.impression, "edited": document.impressionEdited},
            "measurements": measurementReview.toPlain(document.measurements),
            "replaced": list(document.replaced),
            "log": list(document.log),
        },
        ensure_ascii=False,
    )


def fromJson(text: str) -> Document:
    """Return the content that ``toJson`` wrote. Reports of older schema versions are upgraded.

    Raises:
        ValueError: the text is not a valid review.
    """
    try:
        return _read(json.loads(text))
    except Exception as error:
        message = _("The review stored in the scene cannot be read ({0}).")
        raise ValueError(message.format(error)) from error


def _read(values: Mapping[str, Any]) -> Document:
    """Build a document from JSON values. Any exception means that the values are not valid."""
    from reg2rg.report import parse_report

    if values["form"] != FORM or values["version"] not in (1, VERSION):
        raise ValueError(_("unknown format {0}, version {1}").format(values["form"], values["version"]))
    report = parse_report(json.dumps(values["report"]))
    if set(values["sections"]) != {section.region for section in report.sections}:
        raise ValueError(_("its sections do not match those of its report"))
    sections = {}
    for region, section in values["sections"].items():
        if not isinstance(section["text"], str):
            raise ValueError(_("the text of a section is not a string"))
        sections[region] = SectionReview(State(section["state"]), section["text"])
    impression = values["impression"]
    if not isinstance(impression["text"], str):
        raise ValueError(_("its impression is not a string"))
    return Document(
        report,
        sections,
        impression["text"],
        bool(impression["edited"]),
        tuple(values["replaced"]),
        tuple(values["log"]),
        measurementReview.fromPlain(values["measurements"]) if values["version"] > 1 else {},
    )
