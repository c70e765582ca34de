"""The headline numbers: each a statistic over cases, so that it has an interval and can be compared with another."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from reg2rg.benchmark.calibration_error import LabelProbability, calibration_error, label_probabilities
from reg2rg.benchmark.finding_groups import FOCAL_LABELS, HEADLINE_SIZE_MM, REGION_OF
from reg2rg.benchmark.records import CaseRecord
from reg2rg.benchmark.statements import (
    STATED_THRESHOLD,
    Outcome,
    StatementSource,
    from_head,
    from_text,
    from_text_without_cues,
    outcomes,
    read_statements,
)
from reg2rg.evaluation.bootstrap import Statistic, mean_statistic
from reg2rg.evaluation.report_metrics.clinical_efficacy import precision_recall_f1
from reg2rg.inference.detection import MAP_THRESHOLD
from reg2rg.report.wording import SIZE_TOLERANCE

SOURCE_SEPARATOR = ": "

SOURCES: dict[str, StatementSource] = {
    "text": from_text,
    "text without cues": from_text_without_cues,
    "head": from_head,
}


@dataclass(frozen=True)
class Metric:
    """A number of the model.

    Attributes:
        units: things that it is a share of.
        goal: what is wanted of it: at least, or for an error at most, so much; None where nothing was set.
    """

    statistic: Statistic
    units: int
    goal: float | None = None
    reached: Callable[[float, float], bool] = operator.ge


def measures(records: Sequence[CaseRecord]) -> dict[str, Metric]:
    """Name -> number; those of a source begin with its name. What the model has nothing to say to is left out."""
    sections = [(case, section) for case, record in enumerate(records) for section in record.sections]
    measured = [(case, record) for case, record in enumerate(records) if record.distance is not None]
    found = {
        "region recognised": _share(records, ((c, s.recognised == s.region) for c, s in sections), 0.99),
        "sections written to their end": _share(records, ((c, s.complete) for c, s in sections)),
    }
    for name in available_sources(records):
        found |= {f"{name}{SOURCE_SEPARATOR}{key}": measure for key, measure in _of_source(records, name).items()}
    if "head" in available_sources(records):
        found |= _of_head(records)
    if measured:
        unlike = ((case, record.distance > record.limit) for case, record in measured)
        found["called unlike the training data"] = _share(records, unlike)
    return found


def available_sources(records: Sequence[CaseRecord]) -> list[str]:
    """Which sources this model has."""
    sections = [section for record in records for section in record.sections]
    has = {
        "text": True,
        "text without cues": any(section.without_cues is not None for section in sections),
        "head": any(section.seen for section in sections),
    }
    return [name for name in SOURCES if has[name]]


def _of_source(records: Sequence[CaseRecord], name: str) -> dict[str, Metric]:
    source = SOURCES[name]
    found = outcomes(records, source)
    counted = [outcome for outcome in found if outcome.grown]
    goal = name == "text"
    right = [outcome for outcome in counted if outcome.right]
    normal = [
        (case, not source(section))
        for case, record in enumerate(records)
        for section in record.sections
        if section.region not in {finding.region for finding in record.planted}
    ]
    return {
        "precision": _micro(records, counted, 0),
        "recall": _micro(records, counted, 1),
        "F1, micro": _micro(records, counted, 2, 0.85 if goal else None),
        "F1, macro": _macro(records, counted, 0.75 if goal else None),
        "side right": _share(records, _told(right, "side"), 0.9 if goal else None),
        "lobe or level right": _share(records, _told(right, "level"), 0.9 if goal else None),
        "size within 30%": _share(records, _told(right, "size_mm"), 0.7 if goal else None),
        "normal sections called normal": _share(records, normal, 0.95 if goal else None),
    }


def _told(right: Iterable[Outcome], name: str) -> list[tuple[int, bool]]:
    """Whether side, level or size is right, where there is one and the phantom's own report tells it."""
    return [
        (outcome.case, _agrees(getattr(outcome.planted, name), getattr(outcome.stated, name)))
        for outcome in right
        if getattr(outcome.planted, name) is not None and outcome.told and getattr(outcome.told, name) is not None
    ]


def _agrees(planted: str | float, stated: str | float | None) -> bool:
    if isinstance(planted, str):
        return stated == planted
    return stated is not None and abs(stated - planted) <= SIZE_TOLERANCE * planted


def _of_head(records: Sequence[CaseRecord]) -> dict[str, Metric]:
    pointed = [
        (case, finding, distance)
        for case, record in enumerate(records)
        for finding, distance in pointings(record)
        if finding.size_mm is None or finding.size_mm >= HEADLINE_SIZE_MM
    ]
    focal = [(case, distance == 0) for case, finding, distance in pointed if finding.label in FOCAL_LABELS]
    diffuse = [(case, distance == 0) for case, finding, distance in pointed if finding.label not in FOCAL_LABELS]
    agreeing = [pair for case, record in enumerate(records) for pair in agreements(record, case)]
    found = {
        "pointing, focal findings": _share(records, focal, 0.85),
        "pointing, diffuse findings": _share(records, diffuse),
        "calibration error": _calibration(records, label_probabilities(records), 0.05),
        "calibration error, from 5% on": _calibration(
            records, [item for item in label_probabilities(records) if item.value >= MAP_THRESHOLD]
        ),
        "text and head agree": _share(records, ((case, a == b) for case, a, b in agreeing), 0.95),
        "text and head agree, where either states": _share(records, ((c, a == b) for c, a, b in agreeing if a or b)),
    }
    for present, name in ((False, "a rejected finding is gone"), (True, "a claimed finding is written")):
        done = [
            (case, (c.label in read_statements(c.text, section.region)) == present)
            for case, record in enumerate(records)
            for section in record.sections
            for c in section.corrections
            if c.present is present
        ]
        if done:
            found[f"corrected, {name}"] = _share(records, done)
    return found


def pointings(record: CaseRecord) -> list[tuple]:
    """Each planted finding and how far from it the head's map points, mm: 0 is a hit, None no map."""
    seen = {(section.region, finding.label): finding for section in record.sections for finding in section.seen}
    regions = {section.region for section in record.sections}
    return [
        (finding, getattr(seen.get((finding.region, finding.label)), "distance_mm", None))
        for finding in record.planted
        if finding.region in regions
    ]


def agreements(record: CaseRecord, case: int) -> list[tuple[int, bool, bool]]:
    """Whether text and head state each label that belongs to a section's region."""
    return [
        (case, finding.label in stated, finding.probability >= STATED_THRESHOLD)
        for section in record.sections
        for stated in [from_text(section)]
        for finding in section.seen
        if REGION_OF.get(finding.label) == section.region
    ]


def _share(records: Sequence[CaseRecord], pairs: Iterable[tuple[int, bool]], goal: float | None = None) -> Metric:
    """Share of what is true, of pairs of a case's index and a truth."""
    pairs = list(pairs)
    statistic = mean_statistic([value for _, value in pairs], [case for case, _ in pairs], len(records))
    return Metric(statistic, len(pairs), goal)


def _micro(records: Sequence[CaseRecord], found: Sequence[Outcome], which: int, goal: float | None = None) -> Metric:
    sums = counts(found, len(records))
    units = (sums[:, [[0, 1], [0, 2], [0, 1, 2]][which]]).sum()
    return Metric(Statistic(sums, lambda s: precision_recall_f1(*np.moveaxis(s, -1, 0))[which]), int(units), goal)


def _macro(records: Sequence[CaseRecord], found: Sequence[Outcome], goal: float | None) -> Metric:
    """Mean F1 of the labels that were planted."""
    labels = list(REGION_OF)
    by_label = [counts([o for o in found if o.label == label], len(records)) for label in labels]
    sums = np.concatenate(by_label, axis=1)

    def value(sums: np.ndarray) -> np.ndarray:
        tp, fp, fn = np.moveaxis(sums.reshape(*sums.shape[:-1], len(labels), 3), -1, 0)
        planted = tp + fn > 0
        return (precision_recall_f1(tp, fp, fn)[2] * planted).sum(axis=-1) / np.maximum(1, planted.sum(axis=-1))

    return Metric(Statistic(sums, value), len(labels), goal)


def counts(found: Iterable[Outcome], cases: int) -> np.ndarray:
    """True positives, false positives, false negatives of each case, (cases, 3)."""
    sums = np.zeros((cases, 3))
    for outcome in found:
        sums[outcome.case, 0 if outcome.right else 1 if outcome.planted is None else 2] += 1
    return sums


def _calibration(
    records: Sequence[CaseRecord], values: Sequence[LabelProbability], goal: float | None = None
) -> Metric:
    return Metric(calibration_error(values, len(records)), len(values), goal, operator.le)
