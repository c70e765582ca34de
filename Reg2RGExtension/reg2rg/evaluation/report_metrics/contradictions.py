"""Contradictions: a finding asserted and denied at the same location, within a text or between sections of a case."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reg2rg.evaluation.bootstrap import mean_statistic
from reg2rg.evaluation.corpus import Corpus
from reg2rg.evaluation.inputs.predictions import Level
from reg2rg.evaluation.pair_labels import PairLabels
from reg2rg.evaluation.tables import Cell, Interval, Table
from reg2rg.labeler import Mention, Status


def contradicted_labels(mentions: Sequence[Mention], others: Sequence[Mention] | None = None) -> frozenset[str]:
    """Return the labels asserted by one text and denied by the other, or asserted and denied within one text.

    Two locations are considered the same unless their sides or levels differ: "no effusion" denies a right effusion,
    but "no effusion on the left" does not.

    Args:
        mentions: Mentions in a text.
        others: Mentions in another text; None to look within one text.
    """
    pairs = [(mentions, mentions)] if others is None else [(mentions, others), (others, mentions)]
    return frozenset(
        asserted.label
        for asserting, denying in pairs
        for asserted in asserting
        if asserted.status is Status.PRESENT
        for denied in denying
        if denied.status is Status.ABSENT and denied.label == asserted.label and _same_location(asserted, denied)
    )


def labels_contradicted_between(sections: Sequence[Sequence[Mention]]) -> frozenset[str]:
    """Return the labels that one section asserts and another denies."""
    pairs = ((one, other) for index, one in enumerate(sections) for other in sections[index + 1 :])
    return frozenset().union(*(contradicted_labels(one, other) for one, other in pairs))


def _same_location(one: Mention, other: Mention) -> bool:
    sides = not one.sides or not other.sides or one.sides & other.sides
    levels = not one.levels or not other.levels or one.levels & other.levels
    return bool(sides and levels)


def contradictions_table(corpus: Corpus, pair_labels: PairLabels) -> Table:
    """Return how often texts, and the sections of a case, contradict themselves."""
    sides = pair_labels.reference_mentions, pair_labels.prediction_mentions
    within = [np.array([bool(contradicted_labels(found)) for found in mentions], float) for mentions in sides]
    rows: list[tuple[Cell, ...]] = [
        (f"within: {name}", len(group), *(corpus.mean(values, group) for values in within))
        for name, group in corpus.groups.items()
    ]
    if corpus.level is Level.REGION:
        between = (_between_sections(corpus, mentions) for mentions in sides)
        rows.append(("between sections of a case", len(corpus.cases), *between))
    description = (
        "Share of texts, or of cases, in which a finding is asserted and denied at the same location. The rate of the "
        "references is the floor: it includes their own contradictions and qualifiers that the rules do not interpret "
        '("no suspicious nodule").'
    )
    columns = ("contradiction", "n", "references", "predictions")
    return Table("contradictions", "Contradictions", description, columns, tuple(rows), pair_labels.mention_labeler)


def _between_sections(corpus: Corpus, mentions: Sequence[tuple[Mention, ...]]) -> Interval:
    sections: list[list[tuple[Mention, ...]]] = [[] for _ in corpus.cases]
    for owner, found in zip(corpus.owners, mentions, strict=True):
        sections[owner].append(found)
    contradicted = [bool(labels_contradicted_between(of_case)) for of_case in sections]
    return corpus.interval(mean_statistic(contradicted, range(len(sections)), len(sections)))
