"""What a reviewer decided about measurements, and the report after these decisions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

if TYPE_CHECKING:
    from reg2rg.measurements import Evidence, Line
    from reg2rg.report import Report, Section


@dataclass(frozen=True)
class MeasurementDecision:
    """What a reviewer decided about one measurement.

    Attributes:
        removed: whether it was removed from the report.
        lines: its lines as the reviewer moved them; empty if they were not moved.
    """

    removed: bool = False
    lines: tuple[Line, ...] = ()


Decisions = Mapping[str, MeasurementDecision]
"""Key of a measurement (``Measurement.key``) -> what was decided about it."""

Statistics = Mapping[str, Mapping[str, float]]
"""Region -> its ``volume_ml`` and ``mean_hu``, as in its section."""


def afterDecisions(report: Report, decisions: Decisions) -> Report:
    """Return a report without the measurements that were removed, and with the values of those that were moved."""
    from reg2rg.measurements import reviewed

    if report.evidence is None or not decisions:
        return report
    removed = {key for key, decision in decisions.items() if decision.removed}
    lines = {key: decision.lines for key, decision in decisions.items() if decision.lines}
    return _withEvidence(report, reviewed(report.evidence, removed, lines))


def measuredAgain(report: Report, evidence: Evidence, regions: Collection[str]) -> Report:
    """Return a report after its volume was measured again.

    Args:
        report: the report before the decisions of the reviewer.
        evidence: what was measured now.
        regions: the regions that were corrected.
    """
    from reg2rg.measurements import remeasured

    if report.evidence is not None:
        evidence = remeasured(report.evidence, evidence, regions)
    return _withEvidence(report, evidence)


def toPlain(decisions: Decisions) -> dict[str, Any]:
    """Return decisions as JSON values."""
    from reg2rg.runtime.dataclass_io import to_plain

    return {key: to_plain(decision) for key, decision in decisions.items()}


def fromPlain(values: Any) -> dict[str, MeasurementDecision]:
    """Return the decisions that ``toPlain`` wrote. Any exception means that the values are not valid."""
    from reg2rg.measurements import Line
    from reg2rg.runtime.dataclass_io import from_plain

    if not isinstance(values, dict):
        raise ValueError(_("its decisions about measurements are not an object"))
    decisions = {}
    for key, decision in values.items():
        lines = tuple(from_plain(Line, line, key) for line in decision["lines"])
        decisions[key] = MeasurementDecision(decision["removed"] is True, lines)
    return decisions


def _withEvidence(report: Report, evidence: Evidence) -> Report:
    """Return a report with other evidence, and with the measured sentences and contradictions that follow from it."""
    from reg2rg.report import disagreements

    if report.evidence == evidence:
        return report
    sections = []
    for section in report.sections:
        earlier = report.evidence.of(section.region) if report.evidence is not None else ()
        measured = section if earlier == evidence.of(section.region) else _measuredSection(section, evidence)
        sections.append(replace(measured, disagreements=disagreements(measured, evidence)))
    return replace(report, sections=tuple(sections), evidence=evidence)


def _measuredSection(section: Section, evidence: Evidence) -> Section:
    from reg2rg.measurements import NOT_ASSESSED, region_sentences

    sentences = region_sentences(evidence, section.region)
    isShown = section.model_text_hidden or sentences != (NOT_ASSESSED,)
    return replace(section, measured=sentences if isShown else ())
