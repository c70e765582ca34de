"""The sections and measurements of a report after what a reviewer decided about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reg2rg.measurements import NOT_ASSESSED, Evidence, region_sentences, reviewed
from reg2rg.report.disagreements import disagreements
from reg2rg.report.finding import Finding
from reg2rg.report.linking import link_sentences
from reg2rg.report.review import MeasurementDecision
from reg2rg.report.section import Section

Sections = tuple[Section, ...]


def after_decisions(
    sections: Sections, evidence: Evidence | None, decisions: Mapping[str, MeasurementDecision]
) -> tuple[Sections, Evidence | None]:
    """Return sections and evidence without removed measurements, and with the new values of those that were moved.

    Args:
        sections: the sections of a report.
        evidence: what was measured.
        decisions: key of a measurement -> what was decided about it.
    """
    if evidence is None or not decisions:
        return sections, evidence
    removed = {key for key, decision in decisions.items() if decision.removed}
    lines = {key: decision.lines for key, decision in decisions.items() if decision.lines}
    changed = reviewed(evidence, removed, lines)
    return with_evidence(sections, evidence, changed), changed


def with_evidence(sections: Sections, old: Evidence | None, new: Evidence) -> Sections:
    """Return sections with the measured sentences and contradictions that follow from other evidence.

    Args:
        sections: the sections of a report.
        old: the evidence that they were written with.
        new: the evidence to use.
    """
    if old == new:
        return sections
    changed = []
    for section in sections:
        earlier = old.of(section.region) if old is not None else ()
        measured = section if earlier == new.of(section.region) else _measured_section(section, new)
        changed.append(replace(measured, disagreements=disagreements(measured, new)))
    return tuple(changed)


def _measured_section(section: Section, evidence: Evidence) -> Section:
    sentences = region_sentences(evidence, section.region)
    shown = section.measured_only or sentences != (NOT_ASSESSED,)
    return replace(section, measured=sentences if shown else ())


def written_section(section: Section, text: str, evidence: Evidence | None) -> Section:
    """Return a section as its reader gets it: with the reviewer's text, and the findings of this text.

    If the volume is out of distribution, the model's text and findings are left out. Without any text of the model, the
    measured sentences are the text until a reviewer edits it.

    Args:
        section: the section as the engine wrote it.
        text: its current text.
        evidence: what was measured.
    """
    corrections = {f.label: f.correction for f in section.findings if f.correction is not None}
    if text == section.draft and not section.model_text_hidden:
        return section
    if section.model_text_hidden and text == section.draft:
        marked = tuple(Finding(label, correction=present) for label, present in corrections.items())
        return replace(section, text="", sentences=(), findings=marked, disagreements=())
    detected = [] if section.model_text_hidden else [f for f in section.findings if f.probability is not None]
    calibrated = all(finding.calibrated for finding in section.findings)
    findings, sentences = link_sentences(section.region, text, detected, corrections, calibrated=calibrated)
    written = replace(section, text=text, sentences=sentences, complete=True, findings=findings, disagreements=())
    if section.measured_only:  # the text contains what was measured, unless the reviewer has removed it
        written = replace(written, measured=())
    if section.model_text_hidden:
        return replace(written, recognized=section.region, model_text_hidden=False)
    return replace(written, disagreements=disagreements(written, evidence))
