"""From a sentence to clauses: stretches with one verb, so that a denial in one does not reach the next."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from reg2rg.labeler.lexicon import Table

_QUESTION = re.compile(r"\(([^()]*\?[^()]*)(?:\)|$)")
_JOINT = re.compile(r",?\s+and\b|,")
# What goes on about the same thing: "a nodule is seen and its size is 5 mm", "and measures 5 mm".
_GOES_ON = re.compile(r"\s+(?:its?|they|their|the (?:largest|size)|(?:now )?(?:is|are|was|were|has|have|measures?))\b")
_AND_NO = re.compile(r"(?:,?\s+and|,)\s+(?=(?:no|neither)\b)")
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
    pieces = _pieces(_QUESTION.sub(" ", text), table)
    parts = [part for piece in pieces for part in _split_at_verbs(piece, table) if part.strip(" .,!?")]
    for index, part in enumerate(parts):
        yield Clause(part, doubtful=asked and index == len(parts) - 1)
    for question in questions:
        yield Clause(question, doubtful=True, context=parts[-1] if parts else "")


def _pieces(text: str, table: Table) -> Iterator[str]:
    for part in _statements(text, table):
        start = 0
        for match in table.cues["break"].finditer(part):
            yield part[start : match.start()]
            yield match[0]
            start = match.end()
        yield part[start:]


def _statements(text: str, table: Table) -> Iterator[str]:
    """Parts between semicolons; one that only names places belongs to what it introduces."""
    introduction = ""
    for part in text.split(";"):
        if table.cues["verb"].search(part) or table.any_term.search(part):
            yield introduction + part
            introduction = ""
        else:
            introduction = f"{part}," if part.strip() else ""
    yield introduction


def _split_at_verbs(piece: str, table: Table) -> Iterator[str]:
    verbs = list(_main_verbs(piece, table))
    terms = [match.start() for match in table.any_term.finditer(piece)] if len(verbs) > 1 else []
    cuts = [match.start() for match in _AND_NO.finditer(piece, verbs[0].end())] if verbs else []
    for verb, following in zip(verbs, verbs[1:], strict=False):
        if not any(verb.end() <= cut < following.start() for cut in cuts):
            cuts += _cut(piece, verb, following, terms)
    start = 0
    for cut in sorted(cuts):
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


def _cut(piece: str, verb: re.Match, following: re.Match, terms: list[int]) -> list[int]:
    """Where between two verbs the clause of the second begins; nowhere if no comma or "and" is there."""
    joints = list(_JOINT.finditer(piece, verb.end(), following.start()))
    if joints and _GOES_ON.match(piece, joints[-1].end()):
        return []
    between = [term for term in terms if verb.end() <= term < following.start()]
    before_first = [joint for joint in joints if not between or joint.start() < between[0]]
    if before_first and not verb[0].startswith("there"):
        return [before_first[-1].start()]
    behind_last = [joint for joint in joints if between and joint.start() > between[-1]]
    between_terms = [joint for joint in joints if between and joint.start() > between[0]]
    strong = [joint for joint in between_terms if joint[0].startswith(",") and joint[0] != ","]
    candidates = strong or behind_last or between_terms
    return [joint.start() for joint in candidates[-1:]]
