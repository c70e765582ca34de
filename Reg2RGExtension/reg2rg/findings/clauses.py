"""From a sentence to clauses: stretches with one verb, so that a denial in one does not reach the next."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from reg2rg.findings.table import Table

_HARD_BREAK = re.compile(r"[;:](?!\d)")
_QUESTION = re.compile(r"\(([^()]*\?[^()]*)(?:\)|$)")
_JOINT = re.compile(r",?\s+and\b|,")
_RELATIVE = re.compile(r"\b(?:which|that|whose|where|who)\b")


@dataclass(frozen=True)
class Clause:
    """A clause in lower case.

    Attributes:
        text: its words.
        doubtful: it is a question.
        context: the clause it was put in brackets behind, whose place it shares; else empty.
    """

    text: str
    doubtful: bool = False
    context: str = ""


def split_clauses(sentence: str, table: Table) -> Iterator[Clause]:
    """The clauses of a sentence in order; a question in brackets is one of its own."""
    text = table.cues["ignore"].sub(" ", sentence.lower())
    questions = [match[1] for match in _QUESTION.finditer(text)]
    asked = text.rstrip().endswith("?")
    parts = [part for piece in _pieces(_QUESTION.sub(" ", text), table) for part in _split_at_verbs(piece, table)]
    for index, part in enumerate(parts):
        yield Clause(part, doubtful=asked and index == len(parts) - 1)
    for question in questions:
        yield Clause(question, doubtful=True, context=parts[-1] if parts else "")


def _pieces(text: str, table: Table) -> Iterator[str]:
    for part in _HARD_BREAK.split(text):
        start = 0
        for match in table.cues["break"].finditer(part):
            yield part[start : match.start()]
            start = match.start()
        yield part[start:]


def _split_at_verbs(piece: str, table: Table) -> Iterator[str]:
    verbs = list(_main_verbs(piece, table))
    terms = [match.start() for match in table.any_term.finditer(piece)] if len(verbs) > 1 else []
    start = 0
    for verb, following in zip(verbs, verbs[1:], strict=False):
        cut = _cut(piece, verb, following, terms)
        if cut is not None:
            yield piece[start:cut]
            start = cut
    yield piece[start:]


def _main_verbs(piece: str, table: Table) -> Iterator[re.Match]:
    """Verbs of the piece, without the one that a relative pronoun takes."""
    pronouns = [match.start() for match in _RELATIVE.finditer(piece)]
    for verb in table.cues["verb"].finditer(piece):
        if pronouns and pronouns[0] < verb.start():
            pronouns = [pronoun for pronoun in pronouns if pronoun > verb.start()]
        else:
            yield verb


def _cut(piece: str, verb: re.Match, following: re.Match, terms: list[int]) -> int | None:
    """Where between two verbs the clause of the second begins; None if no comma or "and" is there."""
    joints = list(_JOINT.finditer(piece, verb.end(), following.start()))
    between = [term for term in terms if verb.end() <= term < following.start()]
    if not joints:
        return None
    before_first = [joint for joint in joints if not between or joint.start() < between[0]]
    if before_first and not verb[0].startswith("there"):
        return before_first[-1].start()
    if len(between) > 1:
        joints = [joint for joint in joints if between[0] < joint.start() < between[-1]]
    elif between:
        joints = [joint for joint in joints if joint.start() > between[0]]
    strong = [joint for joint in joints if joint[0].startswith(",") and joint[0] != ","]
    return (strong or joints)[-1].start() if joints else None
