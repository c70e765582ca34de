"""Both models on the same cases: tables of what changed, and whether the new model is worse."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from reg2rg.evaluation import Cell, Table
from reg2rg.learning.answers import Answer, Answers

F1_TOLERANCE = 0.01
"""How far F1 may fall."""

BRIER_TOLERANCE = 0.05
"""The share by which the Brier score may rise."""

CLAIMS_TOLERANCE = 0.25
"""How much further the number of claims per CT may get from that of the reviewers."""


@dataclass(frozen=True)
class Judged:
    """One of the numbers that decide whether a model is worse.

    Attributes:
        cases: the cases, such as "held-out reports".
        name: name of the number.
        before: its value for the model that learning started from; None if it has none.
        after: its value for the new model.
        worse: whether the new value is worse by more than the tolerance.
    """

    cases: str
    name: str
    before: float | None
    after: float | None
    worse: bool


@dataclass(frozen=True)
class Scores:
    """Scores over some answers; None where nothing can be scored."""

    precision: float | None
    recall: float | None
    f1: float | None


def judge(cases: str, before: Answers, after: Answers) -> tuple[Judged, ...]:
    """Return the numbers that decide whether a model is worse on some cases.

    Args:
        cases: name of the cases.
        before: the answers of the model that learning started from.
        after: the answers of the new model.
    """
    judged = [_judged_f1(cases, "text F1", before, after, _stated)]
    old, new = brier(before.answers), brier(after.answers)
    if old is not None and new is not None:  # there is a finding head
        judged.append(_judged_f1(cases, "finding head F1", before, after, _detected))
        judged.append(Judged(cases, "Brier score", old, new, new > old * (1 + BRIER_TOLERANCE) + 1e-4))
    distances = [abs(answers.claims_per_ct - answers.known_per_ct) for answers in (before, after)]
    too_far = distances[1] > distances[0] + CLAIMS_TOLERANCE
    return (*judged, Judged(cases, "claims per CT", before.claims_per_ct, after.claims_per_ct, too_far))


def _judged_f1(cases: str, name: str, before: Answers, after: Answers, says: Callable[[Answer], bool]) -> Judged:
    old, new = (score(answers.answers, says).f1 for answers in (before, after))
    # To say nothing where nothing is present is perfect.
    worse = (1.0 if new is None else new) < (1.0 if old is None else old) - F1_TOLERANCE
    return Judged(cases, name, old, new, worse)


def judgment_table(judged: Sequence[Judged]) -> Table:
    """Return the numbers that decide."""
    rows = tuple((each.cases, each.name, each.before, each.after, "yes" if each.worse else "no") for each in judged)
    return Table(
        "judgment",
        "Before and after learning",
        f"A model is worse if an F1 falls by more than {F1_TOLERANCE}, the Brier score rises by more than "
        f"{BRIER_TOLERANCE:.0%}, or the number of claims per CT gets more than {CLAIMS_TOLERANCE} further from what is "
        "known to be present.",
        ("cases", "number", "before", "after", "worse"),
        rows,
    )


def findings_table(key: str, title: str, description: str, before: Answers, after: Answers) -> Table:
    """Return the scores of each finding, before and after.

    Args:
        key: key of the table.
        title: its title.
        description: what the cases are.
        before: the answers of the model that learning started from.
        after: the answers of the new model.
    """
    labels = sorted({answer.label for answer in before.answers})
    groups = [(label, [label]) for label in labels] + [("all findings", labels)]
    rows: list[tuple[Cell, ...]] = []
    for name, group in groups:
        old, new = (tuple(a for a in answers.answers if a.label in group) for answers in (before, after))
        present = sum(answer.present for answer in old)
        heads = [_head_scores(answers) for answers in (old, new)]
        cells = [_arrow(*(getattr(head, field) for head in heads)) for field in ("precision", "recall", "f1")]
        cells.append(_arrow(brier(old), brier(new), digits=3))
        cells.append(_arrow(*(score(answers, _stated).f1 for answers in (old, new))))
        rows.append((name, present, len(old) - present, *cells))
    return Table(
        key,
        title,
        f"{description} Precision, recall, F1 and Brier score are those of the finding head, before and after.",
        ("finding", "present", "absent", "precision", "recall", "F1", "Brier", "text F1"),
        tuple(rows),
        labeler="rules",
    )


def score(answers: Iterable[Answer], says: Callable[[Answer], bool]) -> Scores:
    """Return precision, recall and F1 of what is said to be present."""
    answers = tuple(answers)
    hits = sum(says(answer) and answer.present for answer in answers)
    said, present = sum(map(says, answers)), sum(answer.present for answer in answers)
    return Scores(_share(hits, said), _share(hits, present), _share(2 * hits, said + present))


def brier(answers: Iterable[Answer]) -> float | None:
    """Return the mean squared difference between probability and truth."""
    errors = [(a.probability - a.present) ** 2 for a in answers if a.probability is not None]
    return sum(errors) / len(errors) if errors else None


def _head_scores(answers: Sequence[Answer]) -> Scores:
    has_head = any(answer.probability is not None for answer in answers)
    return score(answers, _detected) if has_head else Scores(None, None, None)


def _stated(answer: Answer) -> bool:
    return answer.stated


def _detected(answer: Answer) -> bool:
    return answer.detected


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _arrow(before: float | None, after: float | None, *, digits: int = 2) -> str:
    return "→".join("–" if value is None else f"{value:.{digits}f}" for value in (before, after))
