"""Contradictions: a finding asserted and denied at the same place, within a text or between sections of a case."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reg2rg.evaluation.bootstrap import mean_statistic
from reg2rg.evaluation.dataset import Frame
from reg2rg.evaluation.inputs.predictions import Level
from reg2rg.evaluation.labels import Readings
from reg2rg.evaluation.output.tables import Interval, Table
from reg2rg.labeler import Mention, Status


def contradicted(findings: Sequence[Mention], others: Sequence[Mention] | None = None) -> frozenset[str]:
    """Labels that ``findings`` assert and ``others`` deny or the other way round; without ``others``, of one text.

    Two places are the same if neither side nor level tells them apart: "no effusion" denies a right effusion, "no
    effusion on the left" does not.
    """
    pairs = [(findings, findings)] if others is None else [(findings, others), (others, findings)]
    return frozenset(
        one.label
        for asserting, denying in pairs
        for one in asserting
        if one.status is Status.PRESENT
        for other in denying
        if other.status is Status.ABSENT and other.label == one.label and _same_place(one, other)
    )


def contradicted_between(sections: Sequence[Sequence[Mention]]) -> frozenset[str]:
    """Labels that one section asserts and another denies."""
    pairs = ((one, other) for index, one in enumerate(sections) for other in sections[index + 1 :])
    return frozenset().union(*(contradicted(one, other) for one, other in pairs))


def _same_place(one: Mention, other: Mention) -> bool:
    sides = not one.sides or not other.sides or one.sides & other.sides
    levels = not one.levels or not other.levels or one.levels & other.levels
    return bool(sides and levels)


def contradictions_table(frame: Frame, readings: Readings) -> Table:
    """How often texts, and sections of a case, contradict themselves; references beside predictions."""
    sides = readings.reference_findings, readings.prediction_findings
    within = [np.array([bool(contradicted(found)) for found in findings], float) for findings in sides]
    rows = [
        (f"within: {name}", len(chosen), *(frame.mean(values, chosen) for values in within))
        for name, chosen in frame.groups.items()
    ]
    if frame.level is Level.REGION:
        between = (_between(frame, findings) for findings in sides)
        rows.append(("between sections of a case", len(frame.cases), *between))
    caption = (
        "Share of texts, or of cases, in which a finding is asserted and denied at the same place. "
        "What the references show is the floor: it holds their own contradictions and words that the rules do not "
        'weigh ("no suspicious nodule").'
    )
    columns = ("contradiction", "n", "references", "predictions")
    return Table("contradictions", "Contradictions", caption, columns, tuple(rows), readings.place_reader)


def _between(frame: Frame, findings: Sequence[tuple[Mention, ...]]) -> Interval:
    sections: list[list[tuple[Mention, ...]]] = [[] for _ in frame.cases]
    for owner, found in zip(frame.owners, findings, strict=True):
        sections[owner].append(found)
    cases = len(sections)
    return frame.interval(mean_statistic([bool(contradicted_between(s)) for s in sections], range(cases), cases))
