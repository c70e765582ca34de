"""The content of a report: what a reader gets, as plain text that points into the image.

Everything that shows or exports a report reads this one view: after the review, without markup, and with one rule for
drafts and signed reports. A draft contains all warnings, what the finding detector sees, and text that is not shown
unless asked for. A signed report contains what the reviewer signed: the text, what was measured, and findings that the
text states or the reviewer marked as present. ``report.json`` keeps everything else. Control characters are replaced,
so that no format has to expect them.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Literal, Protocol, TypeVar

from reg2rg.about import SIGNED_LABEL
from reg2rg.labeler import vessel_diameters
from reg2rg.measurements import Evidence, Measurement, measured_sentence
from reg2rg.measurements.reviewing import FINDING_MEASURES, finding_key
from reg2rg.regions import get_region
from reg2rg.report.after_review import after_decisions, written_section
from reg2rg.report.finding import Finding
from reg2rg.report.impression import draft_impression
from reg2rg.report.prior import IntervalChange, PriorComparison, days_earlier
from reg2rg.report.provenance import OutOfDistribution, Provenance
from reg2rg.report.review import Review, ReviewState, SectionReview, Signature
from reg2rg.report.seal import check_seal
from reg2rg.report.section import Section
from reg2rg.report.warnings import (
    MODEL_TEXT_HIDDEN,
    MODEL_TEXT_WITHHELD,
    change_warnings,
    folded_text_warnings,
    report_label,
    report_warnings,
    section_warnings,
)
from reg2rg.report.wording import finding_line, finding_lines, measurement_line
from reg2rg.runtime.dataclass_io import to_plain

T = TypeVar("T")

_CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
"""Characters that are not text: neither XML nor DICOM can store them, a terminal obeys them, or they reverse text."""

REJECTED_REASON = "rejected by the reviewer"
"""Why a rejected section is not described."""

Status = Literal["draft", "signed", "addendum"]
"""A report is a draft until it is signed. A signed addendum amends an earlier signed report."""


@dataclass(frozen=True)
class Target:
    """What a sentence points to: a finding, a measurement, or else the whole region.

    Attributes:
        region: the region.
        finding: the finding, with its label, its location, and its segment in ``findings.seg.nrrd``.
        measurement: the measurement, with its key and its lines.
    """

    region: str
    finding: Finding | None = None
    measurement: Measurement | None = None


@dataclass(frozen=True)
class ContentSentence:
    """One sentence of a section.

    Attributes:
        text: the sentence.
        targets: what it points to, at least the region.
        measured: True if the sentence states a measurement and is not a part of the section's text.
    """

    text: str
    targets: tuple[Target, ...]
    measured: bool = False


@dataclass(frozen=True)
class ModelText:
    """What the model wrote about a region and found in it, without being a part of the report.

    Attributes:
        heading: why it is not a part of the report.
        text: the model's text.
        finding_lines: the findings, one line each.
        warnings: the warnings about both.
    """

    heading: str
    text: str
    finding_lines: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class ContentSection:
    """One section as its reader gets it.

    Attributes:
        region: name of the region.
        title: its display name.
        state: state of its review.
        facts: volume and mean density of the region as a phrase.
        text: the text; empty if the section consists of measured sentences.
        sentences: the sentences of the text, followed by the measured sentences.
        findings: the findings below the text.
        finding_lines: the same findings in words, one line each.
        measurements: the measurements of the region that have a value, whether a sentence states them or not.
        warnings: warnings about the section, contradictions included. None in a signed report.
        folded: what the model wrote if that is not a part of the report; None if there is nothing.
    """

    region: str
    title: str
    state: ReviewState
    facts: str
    text: str
    sentences: tuple[ContentSentence, ...]
    findings: tuple[Finding, ...]
    finding_lines: tuple[str, ...]
    measurements: tuple[Measurement, ...]
    warnings: tuple[str, ...]
    folded: ModelText | None


@dataclass(frozen=True)
class Content:
    """The content of a report.

    Attributes:
        title: the title.
        banner: what a draft shows at the top of every page or screen. None once it is signed.
        status: whether it is a draft, signed, or a signed addendum.
        signature: who signed it; None for a draft.
        amends: the signature of the report that this one amends; None unless it is an addendum, signed or not.
        technique: how the volume was acquired, as pairs of topic and words.
        impression: the impression; empty if there is nothing to say.
        sections: the sections in reading order.
        skipped: pairs of region and the reason why it is not described; rejected sections are among them.
        warnings: warnings about the report as a whole. None in a signed report.
        notes: how the report was made and signed, one line each.
        disclaimer: what the report is and what it is not for.
    """

    title: str
    banner: str | None
    status: Status
    signature: Signature | None
    amends: Signature | None
    technique: tuple[tuple[str, str], ...]
    impression: str
    sections: tuple[ContentSection, ...]
    skipped: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    disclaimer: str


class ReportLike(Protocol):
    """The parts of a ``Report`` that its content follows from."""

    @property
    def sections(self) -> tuple[Section, ...]: ...
    @property
    def skipped_regions(self) -> Mapping[str, str]: ...
    @property
    def technique(self) -> Mapping[str, str]: ...
    @property
    def provenance(self) -> Provenance: ...
    @property
    def out_of_distribution(self) -> OutOfDistribution | None: ...
    @property
    def supported(self) -> tuple[str, ...] | None: ...
    @property
    def evidence(self) -> Evidence | None: ...
    @property
    def prior(self) -> PriorComparison | None: ...
    @property
    def review(self) -> Review | None: ...


def report_content(report: ReportLike) -> Content:
    """Return the content of a report.

    Raises:
        InputError: the report was changed after it was signed.
    """
    review = report.review
    signature = review.signature if review is not None else None
    if signature is not None:
        check_seal(to_plain(report))
    amends = review.earlier_signatures[-1] if review is not None and review.earlier_signatures else None
    signed = signature is not None
    label = report_label(review)
    decisions = review.measurements if review is not None else {}
    sections, evidence = after_decisions(report.sections, report.evidence, decisions)
    changes = reported_changes(report)
    reviews = {section.region: _review_of(section, review) for section in sections}
    shown = [section for section in sections if reviews[section.region].state is not ReviewState.REJECTED]
    skipped = dict(report.skipped_regions)
    skipped |= {section.region: REJECTED_REASON for section in sections if section not in shown}
    warnings = report_warnings(report.sections, report.out_of_distribution, report.supported, report.prior)
    content = Content(
        title="Chest CT report" if amends is None else "Chest CT report, addendum",
        banner=None if signed else label,
        status="draft" if not signed else "signed" if amends is None else "addendum",
        signature=signature,
        amends=amends,
        technique=(*report.technique.items(), *_comparison(report.prior)),
        impression=(review.impression if review else drafted_impression(sections, reviews, changes)).strip(),
        sections=tuple(_section(section, reviews[section.region], evidence, changes, signed) for section in shown),
        skipped=tuple(skipped.items()),
        warnings=() if signed else warnings,
        notes=_notes(report.provenance, signature, amends),
        disclaimer=SIGNED_LABEL if signed else label,
    )
    return _without_control_characters(content)


def drafted_impression(
    sections: tuple[Section, ...], reviews: Mapping[str, SectionReview], changes: tuple[IntervalChange, ...]
) -> str:
    """Return an impression drafted from the sections that have not been rejected.

    Args:
        sections: the sections after what was decided about measurements.
        reviews: region -> review of its section.
        changes: what changed since the prior CT, as ``reported_changes`` returns it.
    """
    kept = [s for s in sections if reviews[s.region].state is not ReviewState.REJECTED]
    measured = [sentence for section in sections for sentence in section.measured]
    return draft_impression([(section.region, reviews[section.region].text) for section in kept], measured, changes)


def reported_changes(report: ReportLike) -> tuple[IntervalChange, ...]:
    """Return what changed since the prior CT, except for what no longer holds after the review.

    Changes that the reviewer removed are left out, and those in rejected sections. So are changes of measurements that
    the reviewer removed or measured again, and of findings that the reviewer marked as absent or took out of the text.
    """
    if report.prior is None:
        return ()
    decisions = report.review.measurements if report.review is not None else {}
    sections, evidence = after_decisions(report.sections, report.evidence, decisions)
    by_region = {section.region: section for section in sections}
    return tuple(
        change
        for change in report.prior.changes
        if change.key not in decisions
        and change.measurement not in decisions
        and change.region in by_region
        and _is_kept(change, by_region[change.region], report.review, evidence)
    )


def _is_kept(change: IntervalChange, section: Section, review: Review | None, evidence: Evidence | None) -> bool:
    """Return whether a change holds after the review of its section."""
    reviewed = _review_of(section, review)
    if reviewed.state is ReviewState.REJECTED:
        return False
    written = written_section(section, reviewed.text, evidence)
    drafted, now = (_finding(each, change.finding) for each in (section, written))
    if now.correction is not None:
        return now.correction
    if reviewed.text == section.draft or change.point_ras is None:  # what only the prior CT shows is in no text
        return True
    mentioned = drafted.stated or now.text_status is not None
    return now.stated or not mentioned


def _finding(section: Section, label: str | None) -> Finding:
    """Return a finding of a section; an empty one if the section does not have it."""
    return next((finding for finding in section.findings if finding.label == label), Finding(label or ""))


def _comparison(prior: PriorComparison | None) -> tuple[tuple[str, str], ...]:
    """Return what a report was compared with, as a part of its technique; nothing if it was not compared."""
    if prior is None or prior.refused:
        return ()
    words = "a prior CT" if prior.source == "ct" else "the report of a prior CT"
    if prior.interval_days is not None:
        words += f", {days_earlier(prior.interval_days)}"
    return (("Comparison", words),)


def folded_text(section: Section) -> ModelText | None:
    """Return what the model wrote about a region and found in it that is not a part of the draft; None if nothing."""
    if not section.has_folded_text:
        return None
    hidden = section.model_text_hidden
    findings = section.findings if hidden else section.withheld_findings
    return ModelText(
        heading=MODEL_TEXT_HIDDEN if hidden else MODEL_TEXT_WITHHELD,
        text=section.text if hidden else section.withheld,
        finding_lines=tuple(finding_line(section.region, finding) for finding in findings if finding.listed),
        warnings=folded_text_warnings(section),
    )


def _review_of(section: Section, review: Review | None) -> SectionReview:
    return review.sections[section.region] if review is not None else SectionReview(ReviewState.DRAFT, section.draft)


def _section(
    section: Section,
    review: SectionReview,
    evidence: Evidence | None,
    changes: Sequence[IntervalChange],
    signed: bool,
) -> ContentSection:
    written = written_section(section, review.text, evidence)
    measurements = tuple(m for m in (evidence.of(section.region) if evidence else ()) if m.value is not None)
    findings = written.listed_findings
    lines = finding_lines(written)
    if signed:  # the reviewer's statement; what the finding detector sees is no longer a part of it
        findings = tuple(replace(f, probability=None) for f in findings if f.present and (f.stated or f.correction))
        lines = [finding_line(section.region, finding) for finding in findings]
    dropped = _of_dropped_findings(measurements, findings)
    unstated = [measured_sentence(measurement) for measurement in dropped]
    written = replace(written, measured=tuple(each for each in written.measured if each not in unstated))
    measurements = tuple(measurement for measurement in measurements if measurement not in dropped)
    stated = _measured_sentences(written, measurements)
    stated += _change_sentences(written, measurements, changes)
    return ContentSection(
        region=section.region,
        title=get_region(section.region).display_name,
        state=review.state,
        facts=measurement_line(section),
        text=written.text,
        sentences=(*_sentences(written, findings, evidence), *stated),
        findings=findings,
        finding_lines=tuple(lines),
        measurements=measurements,
        warnings=() if signed else (*section_warnings(written), *change_warnings(written, changes)),
        folded=None if signed else folded_text(section),
    )


def _of_dropped_findings(measurements: Sequence[Measurement], findings: Sequence[Finding]) -> list[Measurement]:
    """Return the sizes of findings that are not listed, or that the reviewer has marked as absent."""
    kept = {finding.label.lower() for finding in findings if finding.correction is not False}
    return [m for m in measurements if m.measure in FINDING_MEASURES and m.part not in kept]


def _sentences(section: Section, findings: tuple[Finding, ...], evidence: Evidence | None) -> list[ContentSentence]:
    """Return the sentences of a section's text. Nothing of the text is left out."""
    by_words = {measured_sentence(m): m for m in (evidence.measurements if evidence else ()) if m.value}
    by_measure = {m.measure: m for m in by_words.values()}
    by_key = {m.key: m for m in by_words.values()}
    listed = {finding.label: finding for finding in findings}
    vessels = vessel_diameters(section.text)
    sentences, end = [], 0
    for sentence in section.sentences:
        text = section.text[end : sentence.end].strip()
        end = sentence.end
        labels = [section.findings[index].label for index in sentence.findings]
        mentioned = [listed[label] for label in labels if label in listed]
        found = [by_words.get(text)]
        found += [by_measure.get(v.vessel) for v in vessels if v.start == sentence.start]
        found += [by_key.get(finding_key(section.region, finding.label)) for finding in mentioned]
        measurements = [measurement for measurement in found if measurement is not None]
        sentences.append(ContentSentence(text, _targets(section.region, mentioned, measurements)))
    if rest := section.text[end:].strip():
        sentences.append(ContentSentence(rest, _targets(section.region, [], [])))
    return sentences


def _measured_sentences(section: Section, measurements: tuple[Measurement, ...]) -> list[ContentSentence]:
    by_words = {measured_sentence(m): [m] for m in measurements}
    return [
        ContentSentence(text, _targets(section.region, [], by_words.get(text, [])), measured=True)
        for text in section.measured
    ]


def _change_sentences(
    section: Section, measurements: tuple[Measurement, ...], changes: Sequence[IntervalChange]
) -> list[ContentSentence]:
    """Return what changed since the prior CT."""
    by_key = {m.key: m for m in measurements}
    listed = {finding.label: finding for finding in section.listed_findings}
    sentences = []
    for change in changes:
        if change.region == section.region:
            finding, measured = listed.get(change.finding or ""), by_key.get(change.measurement or "")
            targets = _targets(section.region, [finding] if finding else [], [measured] if measured else [])
            sentences.append(ContentSentence(change.text, targets, measured=True))
    return sentences


def _targets(region: str, findings: list[Finding], measurements: list[Measurement]) -> tuple[Target, ...]:
    targets = [Target(region, finding=finding) for finding in findings]
    targets += [Target(region, measurement=measurement) for measurement in measurements]
    return tuple(targets) or (Target(region),)


def _notes(provenance: Provenance, signature: Signature | None, amends: Signature | None) -> tuple[str, ...]:
    made = f"Model {provenance.model_words}; regions from {provenance.segmenter}, created {provenance.created}."
    notes = [made]
    if amends is not None:
        words = f"signed by {amends.words}, content {amends.content_sha256[:12]}"
        notes.append(f"Addendum to the report {words}.")
    if signature is not None:
        words = f"{signature.words}, content {signature.content_sha256[:12]}"
        notes.append(f"Signed by {words}.")
    return tuple(notes)


def _without_control_characters(value: T) -> T:
    """Return a value in which control characters in all strings are replaced by U+FFFD, and tabs by spaces."""
    cleaned: Any = value
    if isinstance(value, str) and not isinstance(value, Enum):
        lines = value.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
        cleaned = _CONTROL_CHARACTERS.sub("\ufffd", lines)
    elif isinstance(value, tuple):
        cleaned = tuple(_without_control_characters(item) for item in value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value) if field.init]
        cleaned = replace(value, **{name: _without_control_characters(getattr(value, name)) for name in names})
    return cleaned
