"""Location accuracy: whether findings of the reference are predicted, on the right side and at the right level.

Each question is asked only if the one before was answered correctly and the reference states the answer (after DCP-PD,
arXiv 2604.10437). Findings are compared by case, regardless of the section they appear in.
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
QUESTIONS = 4


@dataclass(frozen=True)
class LocationScores:
    """Answers of all cases to the questions PRESENT, SIDE, OPPOSITE and LEVEL.

    Attributes:
        answered_yes: Findings for which the answer is yes, (cases, labels, 4). OPPOSITE: the prediction names only the
            opposite side.
        asked: Findings for which the question was asked, (cases, labels, 4).
    """

    answered_yes: np.ndarray
    asked: np.ndarray


def score_locations(reference: Sequence[Sequence[Mention]], prediction: Sequence[Sequence[Mention]]) -> LocationScores:
    """Answer the questions for every finding that a reference asserts or leaves open.

    Args:
        reference: Mentions in the reference of each case.
        prediction: Mentions in the prediction of each case.
    """
    answered_yes = np.zeros((len(reference), len(LABELS), QUESTIONS))
    asked = np.zeros_like(answered_yes)
    for case, (expected, written) in enumerate(zip(reference, prediction, strict=True)):
        stated = _stated(written)
        for finding in _stated(expected):
            label = LABELS.index(finding.label)
            same_label = [other for other in stated if other.label == finding.label]
            for question, answer in _answers(finding, same_label).items():
                asked[case, label, question] += 1
                answered_yes[case, label, question] += answer
    return LocationScores(answered_yes, asked)


def _stated(mentions: Sequence[Mention]) -> list[Mention]:
    """Return the mentions that are asserted or left open, one for each label and location."""
    present = [mention for mention in mentions if mention.status is not Status.ABSENT]
    return list({(mention.label, mention.sides, mention.levels): mention for mention in present}.values())


def _answers(finding: Mention, predicted: Sequence[Mention]) -> dict[int, bool]:
    """Answer the questions for one finding.

    Sides and levels are correct only if they equal those of the reference.

    Args:
        finding: The finding in the reference.
        predicted: Predicted findings with the same label.

    Returns:
        Question -> answer, for the questions that are asked.
    """
    answers = {PRESENT: bool(predicted)}
    if not predicted:
        return answers
    candidates = predicted
    if finding.sides:
        candidates = [other for other in predicted if other.sides == finding.sides]
        answers[SIDE] = bool(candidates)
        answers[OPPOSITE] = all(other.sides and not other.sides & finding.sides for other in predicted)
    if finding.levels and candidates:
        answers[LEVEL] = any(other.levels == finding.levels for other in candidates)
    return answers


def location_table(corpus: Corpus, pair_labels: PairLabels) -> Table:
    """Return the accuracy of each question, by label and over all labels."""
    scores = score_locations(
        mentions_by_case(pair_labels.reference_mentions, corpus.owners, len(corpus.cases)),
        mentions_by_case(pair_labels.prediction_mentions, corpus.owners, len(corpus.cases)),
    )
    rows = [_row(label, scores, [index], corpus) for index, label in enumerate(LABELS)]
    rows.append(_row("all labels", scores, list(range(len(LABELS))), corpus))
    description = (
        "Findings that a reference asserts or leaves open. Present: the prediction mentions the label anywhere in the "
        "case. Side correct: among present findings whose reference names a side or both, a prediction names exactly "
        "that. Side opposite: among the same findings, the prediction names only the other side. Level correct: among "
        "findings whose side is correct or not stated and whose reference names lobes or levels, a prediction names "
        "exactly those."
    )
    columns = (
        "label",
        "findings",
        "present",
        "with side",
        "side correct",
        "side opposite",
        "with level",
        "level correct",
    )
    return Table("location", "Location accuracy", description, columns, tuple(rows), pair_labels.mention_labeler)


def _row(name: str, scores: LocationScores, labels: list[int], corpus: Corpus) -> tuple[Cell, ...]:
    yes, asked = (counts[:, labels].sum(axis=1) for counts in (scores.answered_yes, scores.asked))

    def share(question: int) -> Cell:
        sums = np.stack([yes[:, question], asked[:, question]], axis=1)
        return corpus.interval(Statistic(sums, ratio)) if sums[:, 1].any() else None

    totals = [int(total) for total in asked.sum(axis=0)]
    return (
        name,
        totals[PRESENT],
        share(PRESENT),
        totals[SIDE],
        share(SIDE),
        share(OPPOSITE),
        totals[LEVEL],
        share(LEVEL),
    )
