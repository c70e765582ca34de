"""Headline metrics. Each is a statistic over cases, so it has a confidence interval and can be compared."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from reg2rg.benchmark.calibration_error import LabelProbability, calibration_error, label_probabilities
from reg2rg.benchmark.finding_groups import FOCAL_LABELS, HEADLINE_SIZE_MM, REGION_OF
from reg2rg.benchmark.records import CaseRecord, PlantedRecord
from reg2rg.benchmark.statements import (
    STATED_THRESHOLD,
    Outcome,
    StatementSource,
    extract_statements,
    from_head,
    from_text,
    from_text_without_cues,
    match_statements,
)
from reg2rg.evaluation import Statistic, mean_statistic
from reg2rg.evaluation.report_metrics import precision_recall_f1
from reg2rg.inference.detection import MAP_THRESHOLD
from reg2rg.report.wording import SIZE_TOLERANCE

SOURCE_SEPARATOR = ": "
"""Separates the name of a source from that of its metric."""

SOURCES: dict[str, StatementSource] = {
    "text": from_text,
    "text without cues": from_text_without_cues,
    "head": from_head,
}

OOD_METRIC = "flagged as out of distribution"


@dataclass(frozen=True)
class Metric:
    """A headline number.

    Attributes:
        statistic: The number as a statistic of the cases.
        units: Number of items of which it is a share.
        goal: Required value: a minimum, or a maximum for an error; None if there is no requirement.
        meets_goal: Compares a value with the goal.
    """

    statistic: Statistic
    units: int
    goal: float | None = None
    meets_goal: Callable[[float, float], bool] = operator.ge


def compute_metrics(records: Sequence[CaseRecord]) -> dict[str, Metric]:
    """Compute all metrics that apply to a model.

    Returns:
        Name -> metric. The names of metrics of a source start with its name and ``SOURCE_SEPARATOR``.
    """
    sections = [(case, section) for case, record in enumerate(records) for section in record.sections]
    flags = [(case, record.flagged) for case, record in enumerate(records) if record.flagged is not None]
    metrics = {
        "regions recognized": _share(records, ((c, s.recognized == s.region) for c, s in sections), 0.99),
        "sections completed": _share(records, ((c, s.complete) for c, s in sections)),
    }
    for source in available_sources(records):
        for name, metric in _source_metrics(records, source).items():
            metrics[f"{source}{SOURCE_SEPARATOR}{name}"] = metric
    if "head" in available_sources(records):
        metrics |= _head_metrics(records)
    if flags:
        metrics[OOD_METRIC] = _share(records, flags)
    return metrics


def available_sources(records: Sequence[CaseRecord]) -> list[str]:
    """Return the sources of statements that a model has."""
    sections = [section for record in records for section in record.sections]
    available = {
        "text": True,
        "text without cues": any(section.text_without_cues is not None for section in sections),
        "head": any(section.detections for section in sections),
    }
    return [name for name in SOURCES if available[name]]


def _source_metrics(records: Sequence[CaseRecord], name: str) -> dict[str, Metric]:
    """Compute precision, recall and details of the findings stated by one source. Only the text has goals."""
    source = SOURCES[name]
    counted = [outcome for outcome in match_statements(records, source) if outcome.in_headline]
    correct = [outcome for outcome in counted if outcome.correct]
    normal = [
        (case, not source(section))
        for case, record in enumerate(records)
        for section in record.sections
        if section.region not in {finding.region for finding in record.planted}
    ]
    has_goal = name == "text"
    return {
        "precision": _micro(records, counted, 0),
        "recall": _micro(records, counted, 1),
        "micro F1": _micro(records, counted, 2, 0.85 if has_goal else None),
        "macro F1": _macro(records, counted, 0.8 if has_goal else None),
        "side correct": _share(records, _details_correct(correct, "side"), 0.9 if has_goal else None),
        "lobe or level correct": _share(records, _details_correct(correct, "level"), 0.9 if has_goal else None),
        "size within 30%": _share(records, _details_correct(correct, "size_mm"), 0.7 if has_goal else None),
        "normal sections called normal": _share(records, normal, 0.95 if has_goal else None),
    }


def _details_correct(outcomes: Iterable[Outcome], name: str) -> list[tuple[int, bool]]:
    """Compare side, level or size with the planted finding, where the phantom's own report states it.

    Args:
        outcomes: Correctly stated findings.
        name: "side", "level" or "size_mm".

    Returns:
        Case index and whether the detail is correct.
    """
    return [
        (outcome.case, _agrees(getattr(outcome.planted, name), getattr(outcome.stated, name)))
        for outcome in outcomes
        if getattr(outcome.planted, name) is not None
        and outcome.reported is not None
        and getattr(outcome.reported, name) is not None
    ]


def _agrees(planted: str | float, stated: str | float | None) -> bool:
    if isinstance(planted, str):
        return stated == planted
    return isinstance(stated, (int, float)) and abs(stated - planted) <= SIZE_TOLERANCE * planted


def _head_metrics(records: Sequence[CaseRecord]) -> dict[str, Metric]:
    """Compute the metrics that need a finding head: pointing, calibration, agreement with the text, corrections."""
    pointed = [
        (case, finding, distance)
        for case, record in enumerate(records)
        for finding, distance in pointing_distances(record)
        if finding.size_mm is None or finding.size_mm >= HEADLINE_SIZE_MM
    ]
    focal = [(case, distance == 0) for case, finding, distance in pointed if finding.label in FOCAL_LABELS]
    diffuse = [(case, distance == 0) for case, finding, distance in pointed if finding.label not in FOCAL_LABELS]
    probabilities = label_probabilities(records)
    probable = [item for item in probabilities if item.value >= MAP_THRESHOLD]
    stated = [(case, text, head) for case, record in enumerate(records) for text, head in _stated_by_both(record)]
    metrics = {
        "pointing accuracy, focal findings": _share(records, focal, 0.85),
        "pointing accuracy, diffuse findings": _share(records, diffuse),
        "calibration error": _calibration(records, probabilities, 0.05),
        "calibration error, probability 0.05 or more": _calibration(records, probable),
        "text and head agree": _share(records, ((case, text == head) for case, text, head in stated), 0.95),
        "text and head agree, stated by either": _share(
            records, ((case, text == head) for case, text, head in stated if text or head)
        ),
    }
    for present, name in ((False, "rejected finding removed"), (True, "added finding written")):
        followed = [
            (case, (correction.label in extract_statements(correction.text, section.region)) == present)
            for case, record in enumerate(records)
            for section in record.sections
            for correction in section.corrections
            if correction.present is present
        ]
        if followed:
            metrics[f"correction followed, {name}"] = _share(records, followed)
    return metrics


def pointing_distances(record: CaseRecord) -> list[tuple[PlantedRecord, float | None]]:
    """Return each planted finding with the distance in mm of the maximum of its map; 0 is a hit, None means no map."""
    detections = {
        (section.region, detection.label): detection for section in record.sections for detection in section.detections
    }
    regions = {section.region for section in record.sections}
    pairs = []
    for finding in record.planted:
        if finding.region in regions:
            detection = detections.get((finding.region, finding.label))
            pairs.append((finding, detection.distance_mm if detection else None))
    return pairs


def _stated_by_both(record: CaseRecord) -> list[tuple[bool, bool]]:
    """Return whether text and head state each label of each region."""
    pairs = []
    for section in record.sections:
        stated = from_text(section)
        pairs += [
            (detection.label in stated, detection.probability >= STATED_THRESHOLD)
            for detection in section.detections
            if REGION_OF.get(detection.label) == section.region
        ]
    return pairs


def _share(
    records: Sequence[CaseRecord], pairs: Iterable[tuple[int, bool | None]], goal: float | None = None
) -> Metric:
    """Return the share of true values, given pairs of a case index and a value."""
    pairs = list(pairs)
    statistic = mean_statistic([bool(value) for _, value in pairs], [case for case, _ in pairs], len(records))
    return Metric(statistic, len(pairs), goal)


def _micro(records: Sequence[CaseRecord], outcomes: Sequence[Outcome], kind: int, goal: float | None = None) -> Metric:
    """Return precision (kind 0), recall (1) or F1 (2) over all labels together."""
    sums = count_outcomes(outcomes, len(records))
    denominator = [[0, 1], [0, 2], [0, 1, 2]][kind]
    statistic = Statistic(sums, lambda total: precision_recall_f1(*np.moveaxis(total, -1, 0))[kind])
    return Metric(statistic, int(sums[:, denominator].sum()), goal)


def _macro(records: Sequence[CaseRecord], outcomes: Sequence[Outcome], goal: float | None) -> Metric:
    """Return the mean F1 over the labels that were planted."""
    labels = list(REGION_OF)
    by_label = [count_outcomes([o for o in outcomes if o.label == label], len(records)) for label in labels]
    sums = np.concatenate(by_label, axis=1)

    def value(sums: np.ndarray) -> np.ndarray:
        tp, fp, fn = np.moveaxis(sums.reshape(*sums.shape[:-1], len(labels), 3), -1, 0)
        planted = tp + fn > 0
        f1 = precision_recall_f1(tp, fp, fn)[2]
        return (f1 * planted).sum(axis=-1) / np.maximum(1, planted.sum(axis=-1))

    return Metric(Statistic(sums, value), len(labels), goal)


def count_outcomes(outcomes: Iterable[Outcome], cases: int) -> np.ndarray:
    """Count true positives, false positives and false negatives of each case, (cases, 3)."""
    sums = np.zeros((cases, 3))
    for outcome in outcomes:
        if outcome.correct:
            kind = 0
        elif outcome.planted is None:
            kind = 1
        else:
            kind = 2
        sums[outcome.case, kind] += 1
    return sums


def _calibration(
    records: Sequence[CaseRecord], values: Sequence[LabelProbability], goal: float | None = None
) -> Metric:
    return Metric(calibration_error(values, len(records)), len(values), goal, operator.le)
