"""Location-aware questions: is a finding of the reference there, on its side, in its lobe or at its level?

Each step is asked only where the one before was answered rightly and the reference tells (after DCP-PD, arXiv
2604.10437). Findings of a case are compared whatever section they stand in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reg2rg.evaluation.bootstrap import Statistic, ratio
from reg2rg.evaluation.corpus import Corpus
from reg2rg.evaluation.pair_labels import PairLabels, mentions_by_case
from reg2rg.evaluation.tables import Cell, Table
from reg2rg.labeler import LABELS, Mention, Status

PRESENT, SIDE, OPPOSITE, LEVEL = range(4)
STEPS = 4


@dataclass(frozen=True)
class LocationScores:
    """Answers of the cases.

    Attributes:
        right: (cases, labels, 4) findings for which it is so: present; right side; only on the opposite side; right
            level.
        asked: (cases, labels, 4) findings for which it was asked.
    """

    right: np.ndarray
    asked: np.ndarray


def score_locations(reference: Sequence[Sequence[Mention]], prediction: Sequence[Sequence[Mention]]) -> LocationScores:
    """Ask for each finding that the reference of a case asserts or leaves open; both are given by case."""
    right = np.zeros((len(reference), len(LABELS), STEPS))
    asked = np.zeros_like(right)
    for case, (expected, written) in enumerate(zip(reference, prediction, strict=True)):
        said = _told(written)
        for finding in _told(expected):
            label = LABELS.index(finding.label)
            for step, answer in _answers(finding, [other for other in said if other.label == finding.label]).items():
                asked[case, label, step] += 1
                right[case, label, step] += answer
    return LocationScores(right, asked)


def _told(findings: Sequence[Mention]) -> list[Mention]:
    """What is asserted or left open, as the labels count it, each label and place once."""
    present = [finding for finding in findings if finding.status is not Status.ABSENT]
    return list({(finding.label, finding.sides, finding.levels): finding for finding in present}.values())


def _answers(finding: Mention, said: Sequence[Mention]) -> dict[int, bool]:
    """Step -> answer, of the steps that are asked. Sides and levels are right if they are exactly the reference's."""
    answers = {PRESENT: bool(said)}
    if not said:
        return answers
    placed = said
    if finding.sides:
        placed = [other for other in said if other.sides == finding.sides]
        answers[SIDE] = bool(placed)
        answers[OPPOSITE] = all(other.sides and not other.sides & finding.sides for other in said)
    if finding.levels and placed:
        answers[LEVEL] = any(other.levels == finding.levels for other in placed)
    return answers


def location_table(corpus: Corpus, pair_labels: PairLabels) -> Table:
    """Accuracy at each step, by label and of all."""
    answers = score_locations(
        mentions_by_case(pair_labels.reference_mentions, corpus.owners, len(corpus.cases)),
        mentions_by_case(pair_labels.prediction_mentions, corpus.owners, len(corpus.cases)),
    )
    rows = [_row(label, answers, [index], corpus) for index, label in enumerate(LABELS)]
    rows.append(_row("all labels", answers, list(range(len(LABELS))), corpus))
    caption = (
        "Each finding that a reference asserts or leaves open. Present: the prediction tells of the "
        "label anywhere in the case. Right side: asked of those present whose reference names a side (or both); a "
        "prediction must name exactly that. Opposite side: of the same, it names only the other side. Right level: "
        "asked of those whose side is right or not told, if the reference names lobes or levels; they must be exactly "
        "the same."
    )
    columns = (
        "label",
        "findings",
        "present",
        "side asked",
        "right side",
        "opposite side",
        "level asked",
        "right level",
    )
    return Table("location", "Location-aware questions", caption, columns, tuple(rows), pair_labels.place_reader)


def _row(name: str, answers: LocationScores, labels: list[int], corpus: Corpus) -> tuple[Cell, ...]:
    right, asked = (counts[:, labels].sum(axis=1) for counts in (answers.right, answers.asked))

    def share(step: int) -> Cell:
        sums = np.stack([right[:, step], asked[:, step]], axis=1)
        return corpus.interval(Statistic(sums, ratio)) if sums[:, 1].any() else None

    totals = asked.sum(axis=0).astype(int)
    sides = int(totals[SIDE]), share(SIDE), share(OPPOSITE)
    return name, int(totals[PRESENT]), share(PRESENT), *sides, int(totals[LEVEL]), share(LEVEL)
