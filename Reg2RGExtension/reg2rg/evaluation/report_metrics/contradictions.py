"""Contradictions: a finding asserted and denied at the same place, within a text or between sections of a case."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reg2rg.evaluation.bootstrap import mean_statistic
from reg2rg.evaluation.corpus import Corpus
from reg2rg.evaluation.inputs.predictions import Level
from reg2rg.evaluation.pair_labels import PairLabels
from reg2rg.evaluation.tables import Interval, Table
from reg2rg.labeler import Mention, Status


def contradicted_labels(findings: Sequence[Mention], others: Sequence[Mention] | None = None) -> frozenset[str]:
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


def labels_contradicted_between(sections: Sequence[Sequence[Mention]]) -> frozenset[str]:
    """Labels that one section asserts and another denies."""
    pairs = ((one, other) for index, one in enumerate(sections) for other in sections[index + 1 :])
    return frozenset().union(*(contradicted_labels(one, other) for one, other in pairs))


def _same_place(one: Mention, other: Mention) -> bool:
    sides = not one.sides or not other.sides or one.sides & other.sides
    levels = not one.levels or not other.levels or one.levels & other.levels
    return bool(sides and levels)


def contradictions_table(corpus: Corpus, pair_labels: PairLabels) -> Table:
    """How often texts, and sections of a case, contradict themselves; references beside predictions."""
    sides = pair_labels.reference_mentions, pair_labels.prediction_mentions
    within = [np.array([bool(contradicted_labels(found)) for found in findings], float) for findings in sides]
    rows = [
        (f"within: {name}", len(chosen), *(corpus.mean(values, chosen) for values in within))
        for name, chosen in corpus.groups.items()
    ]
    if corpus.level is Level.REGION:
        between = (_between(corpus, findings) for findings in sides)
        rows.append(("between sections of a case", len(corpus.cases), *between))
    caption = (
        "Share of texts, or of cases, in which a finding is asserted and denied at the same place. "
        "What the references show is the floor: it holds their own contradictions and words that the rules do not "
        'weigh ("no suspicious nodule").'
    )
    columns = ("contradiction", "n", "references", "predictions")
    return Table("contradictions", "Contradictions", caption, columns, tuple(rows), pair_labels.place_reader)


def _between(corpus: Corpus, findings: Sequence[tuple[Mention, ...]]) -> Interval:
    sections: list[list[tuple[Mention, ...]]] = [[] for _ in corpus.cases]
    for owner, found in zip(corpus.owners, findings, strict=True):
        sections[owner].append(found)
    cases = len(sections)
    return corpus.interval(
        mean_statistic([bool(labels_contradicted_between(s)) for s in sections], range(cases), cases)
    )
