"""A report under review: what the model wrote, what the radiologist decided, and the steps to undo.

A review is stored as JSON: the report as the engine wrote it and, separately, the states, edits and impression. The
model's own text and the measured values are never overwritten. When a section is regenerated, the old one is appended
to "replaced".

Version 2 added the decisions about measurements. Version 1 is still read.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from Reg2RGModuleLib import measurementReview
from Reg2RGModuleLib.measurementReview import MeasurementDecision, Statistics
from Reg2RGModuleLib.signal import Signal

if TYPE_CHECKING:
    from reg2rg.measurements import Evidence, Line, Measurement
    from reg2rg.report import Report, Section


FORM = "Reg2RG review"
VERSION = 2


class State(str, Enum):
    """State of a section's review. Every section starts as a draft."""

    DRAFT = "draft"
    EDITED = "edited"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True)
class SectionReview:
    """The review of a section: its state and its current text."""

    state: State
    text: str


@dataclass(frozen=True)
class Document:
    """The content of a review. It is immutable, so that undo can return to an earlier version.

    Attributes:
        report: the report as the engine wrote it, with regenerated sections in place of the old ones.
        sections: region -> review of its section.
        measurements: key of a measurement -> what was decided about it.
        impression: the impression.
        impressionEdited: whether the user has edited the impression. Until then, it is derived from the sections.
        replaced: the sections that were replaced when they were regenerated, with their state and text, as JSON.
        log: the changes, each with its time, action and region.
    """

    report: Report
    sections: Mapping[str, SectionReview]
    impression: str
    impressionEdited: bool = False
    replaced: tuple[Mapping[str, Any], ...] = ()
    log: tuple[Mapping[str, str], ...] = ()
    measurements: Mapping[str, MeasurementDecision] = field(default_factory=dict)


class Review:
    """The report of one volume under review.

    Signals:
        changed(str): the section for this region has changed, or the report as a whole if the region is "".
    """

    def __init__(self, document: Document) -> None:
        self.changed = Signal()
        self._document = document
        self._report = _reportOf(document)
        self._undoSteps: list[tuple[str, Document]] = []

    @classmethod
    def ofReport(cls, report: Report) -> Review:
        """Return a new review of a report. Every section is a draft."""
        sections = {section.region: SectionReview(State.DRAFT, section.draft) for section in report.sections}
        document = Document(report, sections, impression="")
        return cls(replace(document, impression=_draftImpression(document)))

    @classmethod
    def fromJson(cls, text: str) -> Review:
        """Return the review that ``toJson`` wrote. Reports of older schema versions are upgraded.

        Raises:
            ValueError: the text is not a valid review.
        """
        try:
            return cls(_readDocument(json.loads(text)))
        except Exception as error:
            message = _("The review stored in the scene cannot be read ({0}).")
            raise ValueError(message.format(error)) from error

    def toJson(self) -> str:
        """Return the review as JSON."""
        document = self._document
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

    @property
    def report(self) -> Report:
        """The report as the engine wrote it, except for what was decided about measurements."""
        return self._report

    @property
    def regions(self) -> list[str]:
        """The regions that have a section, in reading order."""
        return [section.region for section in self.report.sections]

    @property
    def impression(self) -> str:
        """The impression."""
        return self._document.impression

    @property
    def allReviewed(self) -> bool:
        """Whether every section has been accepted or rejected."""
        return bool(self.regions) and all(self.isReviewed(region) for region in self.regions)

    @property
    def canUndo(self) -> bool:
        """Whether there is a change to undo."""
        return bool(self._undoSteps)

    @property
    def hasDecisions(self) -> bool:
        """Whether the user has made any changes that a new report would discard."""
        decided = any(self.state(region) != State.DRAFT or self.corrections(region) for region in self.regions)
        return decided or self._document.impressionEdited or bool(self._document.measurements)

    @property
    def visibleSegments(self) -> set[str]:
        """Segment IDs of the findings to show. A finding that is not focal is represented by its region instead."""
        return {
            finding.segment
            for section in self.report.sections
            if not section.model_text_hidden
            for finding in section.findings
            if finding.segment is not None and finding.location is not None and finding.location.focal
        }

    def section(self, region: str) -> Section:
        """Return the section of a region as the engine wrote it, except for what was decided about measurements."""
        return self.report.section(region)

    def state(self, region: str) -> State:
        """Return the state of a section."""
        return self._document.sections[region].state

    def text(self, region: str) -> str:
        """Return the current text of a section."""
        return self._document.sections[region].text

    def isReviewed(self, region: str) -> bool:
        """Return whether a section has been accepted or rejected."""
        return self.state(region) in (State.ACCEPTED, State.REJECTED)

    def corrections(self, region: str) -> dict[str, bool]:
        """Return the corrections that a section was written with: label of a finding -> whether it is present."""
        findings = self.section(region).findings
        return {finding.label: finding.correction for finding in findings if finding.correction is not None}

    def locatedFindings(self, region: str) -> list[int]:
        """Return the indices of a section's findings that have a location; none if the model's text is hidden."""
        section = self.section(region)
        if section.model_text_hidden:
            return []
        return [index for index, finding in enumerate(section.findings) if finding.location is not None]

    def measurements(self, region: str) -> tuple[Measurement, ...]:
        """Return the measurements of a section, after the decisions about them. Some may have no value."""
        evidence = self.report.evidence
        return evidence.of(region) if evidence is not None else ()

    def removedMeasurements(self, region: str) -> tuple[Measurement, ...]:
        """Return the measurements of a section that were removed, as they were measured."""
        evidence, decisions = self._document.report.evidence, self._document.measurements
        measured = evidence.of(region) if evidence is not None else ()
        return tuple(m for m in measured if m.key in decisions and decisions[m.key].removed)

    def measurement(self, key: str) -> Measurement | None:
        """Return the measurement with a key, after the decisions about it, or None if the report has none."""
        evidence = self.report.evidence
        found = (m for m in evidence.measurements if m.key == key) if evidence is not None else iter(())
        return next(found, None)

    def accept(self, region: str) -> None:
        """Accept a section."""
        self._setState(region, State.ACCEPTED)

    def acceptAll(self) -> None:
        """Accept all sections that are drafts, in one step. Model text that is hidden is not a part of a draft."""
        drafts = [region for region in self.regions if self.state(region) == State.DRAFT]
        if not drafts:
            return
        accepted = {region: SectionReview(State.ACCEPTED, self.text(region)) for region in drafts}
        self._change(
            drafts[0], "accept-all", lambda document: replace(document, sections={**document.sections, **accepted})
        )

    def reject(self, region: str) -> None:
        """Reject a section. It is left out of the impression and of the copied report."""
        self._setState(region, State.REJECTED)

    def edit(self, region: str, text: str) -> None:
        """Change the text of a section. It must then be accepted again."""
        if text == self.text(region):
            return
        state = State.DRAFT if text == self.section(region).draft else State.EDITED
        self._change(region, "edit", lambda document: _withSection(document, region, SectionReview(state, text)))

    def replace(self, section: Section, evidence: Evidence | None = None) -> None:
        """Replace a section with a regenerated one, which is a draft.

        Args:
            section: the regenerated section.
            evidence: what was measured while it was regenerated, or None to keep the evidence.
        """

        def change(document: Document) -> Document:
            document = _withRegenerated(document, section)
            return document if evidence is None else _withEvidence(document, evidence, {section.region})

        self._change(section.region, "regenerate", change)

    def removeMeasurement(self, key: str) -> None:
        """Remove a measurement from the report."""
        self._decide(key, "remove-measurement", lambda decision: replace(decision, removed=True))

    def moveMeasurement(self, key: str, lines: tuple[Line, ...]) -> None:
        """Move the lines of a measurement, so that it gets another value.

        Args:
            key: key of the measurement.
            lines: all of its lines, moved.
        """
        self._decide(key, "move-measurement", lambda decision: replace(decision, lines=lines))

    def measureAgain(self, evidence: Evidence, regions: Collection[str], statistics: Statistics) -> None:
        """Replace the evidence, because regions were corrected. This is not an undo step: the regions stay corrected.

        Args:
            evidence: what was measured now.
            regions: the regions that were corrected.
            statistics: region -> its volume and mean density now.
        """
        changed = {region: statistics[region] for region in regions if region in statistics}

        def change(document: Document) -> Document:
            return _withStatistics(_withEvidence(document, evidence, regions), changed)

        self._undoSteps = [(region, change(document)) for region, document in self._undoSteps]
        self._set(_logged(change(self._document), "measure", ""))

    def setImpression(self, text: str) -> None:
        """Set the impression to the user's text. This is not an undo step, because the text field has its own undo."""
        if text != self.impression:
            self._document = replace(self._document, impression=text, impressionEdited=True)
            self.changed.emit("")

    def undo(self) -> str | None:
        """Undo the last change.

        Returns:
            The region of the section that was changed, or None if there was nothing to undo.
        """
        if not self._undoSteps:
            return None
        region, earlier = self._undoSteps.pop()
        if self._document.impressionEdited:
            earlier = replace(earlier, impression=self._document.impression, impressionEdited=True)
        self._set(_logged(earlier, "undo", region), region)
        return region

    def asText(self, withModelText: bool = False) -> str:
        """Return the whole report as plain text for the clipboard, including its label and all warnings.

        Args:
            withModelText: whether to append the model's text, marked as such, to sections that hide it.
        """
        from reg2rg.regions import get_region
        from reg2rg.report import section_warnings, technique_line

        report = self.report
        label = reviewedLabel() if self.allReviewed else report.disclaimer
        paragraphs = [label, *(f"[{warning}]" for warning in report.warnings)]
        if report.technique:
            paragraphs.append(_("Technique: {0}").format(technique_line(report.technique)))
        for region in self.regions:
            if self.state(region) == State.REJECTED:
                continue
            name = get_region(region).display_name
            heading = name if self.isReviewed(region) else _("{0} [not reviewed]").format(name)
            lines = [f"{heading}: {self.text(region)}"]
            section = self.section(region)
            if not section.model_text_hidden:
                lines += section.measured
            elif withModelText:
                lines += hiddenModelText(section)
            lines += [f"[{warning}]" for warning in section_warnings(section)]
            paragraphs.append("\n".join(lines))
        for region, reason in report.skipped_regions.items():
            name = get_region(region).display_name
            paragraphs.append(_("{0}: not described ({1})").format(name, reason))
        paragraphs += [_("Impression:") + "\n" + (self.impression or _("(none)")), label]
        return "\n\n".join(paragraphs) + "\n"

    def _setState(self, region: str, state: State) -> None:
        if self.state(region) != state:
            text = self.text(region)
            self._change(
                region, state.value, lambda document: _withSection(document, region, SectionReview(state, text))
            )

    def _decide(self, key: str, action: str, decide: Callable[[MeasurementDecision], MeasurementDecision]) -> None:
        """Change what was decided about a measurement. Nothing happens if the report does not contain it."""
        measurement, before = self.measurement(key), self.report
        if measurement is None:
            return
        decision = decide(self._document.measurements.get(key, MeasurementDecision()))

        def change(document: Document) -> Document:
            return _followed(before, replace(document, measurements={**document.measurements, key: decision}))

        self._change(measurement.region, action, change)

    def _change(self, region: str, action: str, change: Callable[[Document], Document]) -> None:
        self._undoSteps.append((region, self._document))
        self._set(_logged(change(self._document), action, region), region)

    def _set(self, document: Document, region: str = "") -> None:
        """Set the document, and emit ``changed`` for each section that differs.

        Args:
            document: the new content.
            region: a region whose section counts as changed in any case.
        """
        if not document.impressionEdited:
            document = replace(document, impression=_draftImpression(document))
        before = {name: self._content(name) for name in self.regions}
        self._document, self._report = document, _reportOf(document)
        changed = [name for name in self.regions if name == region or before.get(name) != self._content(name)]
        for name in changed or [""]:
            self.changed.emit(name)

    def _content(self, region: str) -> tuple[object, ...]:
        """Return everything that the card of a section shows."""
        return self.section(region), self._document.sections[region], self.measurements(region)


def hiddenModelText(section: Section) -> list[str]:
    """Return the model's text, findings and warnings of a section that hides them, below a heading that says so."""
    from reg2rg.report import MODEL_TEXT_HIDDEN, finding_line, model_text_warnings

    findings = [finding for finding in section.findings if finding.listed]
    return [
        f"[{MODEL_TEXT_HIDDEN}:]",
        section.text or _("no text"),
        *(f"- {finding_line(section.region, finding)}" for finding in findings),
        *(f"[{warning}]" for warning in model_text_warnings(section)),
    ]


def reviewedLabel() -> str:
    """Return the label that replaces the draft label once all sections are reviewed."""
    return _("All sections have been reviewed by a user. Research software, not for clinical use.")


def _readDocument(values: Mapping[str, Any]) -> Document:
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


def _reportOf(document: Document) -> Report:
    return measurementReview.afterDecisions(document.report, document.measurements)


def _withEvidence(document: Document, evidence: Evidence, regions: Collection[str]) -> Document:
    """Return the document after the volume was measured again because regions were corrected."""
    report = measurementReview.measuredAgain(document.report, evidence, regions)
    return _followed(_reportOf(document), replace(document, report=report))


def _withStatistics(document: Document, statistics: Statistics) -> Document:
    sections = (replace(section, **statistics.get(section.region, {})) for section in document.report.sections)
    return replace(document, report=replace(document.report, sections=tuple(sections)))


def _followed(before: Report, document: Document) -> Document:
    """Return a document in which the texts that nobody has edited follow measurements that have changed.

    A section that was accepted with other measurements must be accepted again.

    Args:
        before: the report before the change.
        document: the document with the change.
    """
    sections = dict(document.sections)
    for section in _reportOf(document).sections:
        earlier, review = before.section(section.region), sections[section.region]
        isDraft = review.text == earlier.draft
        if section.measured == earlier.measured or (section.model_text_hidden and not isDraft):
            continue
        state = review.state
        if state == State.ACCEPTED:
            state = State.DRAFT if isDraft else State.EDITED
        sections[section.region] = SectionReview(state, section.draft if isDraft else review.text)
    return replace(document, sections=sections)


def _withSection(document: Document, region: str, section: SectionReview) -> Document:
    return replace(document, sections={**document.sections, region: section})


def _withRegenerated(document: Document, section: Section) -> Document:
    """Return the document with a regenerated section. The old section is appended to ``replaced``."""
    report, region = document.report, section.region
    stored = next(old for old in json.loads(report.to_json())["sections"] if old["region"] == region)
    review = document.sections[region]
    replaced = {"section": stored, "state": review.state.value, "text": review.text}
    sections = tuple(section if old.region == region else old for old in report.sections)
    document = replace(document, report=replace(report, sections=sections), replaced=(*document.replaced, replaced))
    return _withSection(document, region, SectionReview(State.DRAFT, _reportOf(document).section(region).draft))


def _logged(document: Document, action: str, region: str) -> Document:
    time = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    return replace(document, log=(*document.log, {"time": time, "action": action, "region": region}))


def _draftImpression(document: Document) -> str:
    """Return the sentences that report findings in sections that have not been rejected."""
    from reg2rg.report import draft_impression

    report = _reportOf(document)
    kept = [
        (section.region, document.sections[section.region].text)
        for section in report.sections
        if document.sections[section.region].state != State.REJECTED
    ]
    measured = [sentence for section in report.sections for sentence in section.measured]
    return draft_impression(kept, measured)
