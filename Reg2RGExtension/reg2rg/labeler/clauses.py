"""Split a sentence into clauses with one verb each, so that a negation in one does not affect the next."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from reg2rg.labeler.lexicon import Lexicon

_QUESTION = re.compile(r"\(([^()]*\?[^()]*)(?:\)|$)")
_JOINT = re.compile(r",?\s+and\b|,")
# A continuation about the same finding: "a nodule is seen and its size is 5 mm", "and measures 5 mm".
_SAME_SUBJECT = re.compile(
    r"\s+(?:its?|they|their|the (?:largest|size)|(?:now )?(?:is|are|was|were|has|have|measures?))\b"
)
_AND_NO = re.compile(r"(?:,?\s+and|,)\s+(?=(?:no|neither)\b)")
_RELATIVE = re.compile(r"\b(?:which|that|whose|where|who)\b")


@dataclass(frozen=True)
class Clause:
    """A clause in lower case.

    Attributes:
        text: the clause.
        is_question: whether it is a question.
        context: for a question in parentheses, the preceding clause, whose place it shares; otherwise empty.
    """

    text: str
    is_question: bool = False
    context: str = ""


def split_clauses(sentence: str, lexicon: Lexicon) -> Iterator[Clause]:
    """Yield the clauses of a sentence in order. A question in parentheses is a clause of its own and comes last.

    Args:
        sentence: one sentence.
        lexicon: the terms and cues to use.

    Yields:
        The clauses in lower case, without the words that the lexicon ignores.
    """
    text = lexicon.cues["ignore"].sub(" ", sentence.lower())
    questions = [match[1] for match in _QUESTION.finditer(text)]
    ends_with_question = text.rstrip().endswith("?")
    pieces = _pieces(_QUESTION.sub(" ", text), lexicon)
    parts = [part for piece in pieces for part in _split_at_verbs(piece, lexicon) if part.strip(" .,!?")]
    for index, part in enumerate(parts):
        yield Clause(part, is_question=ends_with_question and index == len(parts) - 1)
    for question in questions:
        yield Clause(question, is_question=True, context=parts[-1] if parts else "")


def _pieces(text: str, lexicon: Lexicon) -> Iterator[str]:
    """Yield the parts of a sentence between words such as "but", and these words themselves."""
    for part in _statements(text, lexicon):
        start = 0
        for match in lexicon.cues["conjunction"].finditer(part):
            yield part[start : match.start()]
            yield match[0]
            start = match.end()
        yield part[start:]


def _statements(text: str, lexicon: Lexicon) -> Iterator[str]:
    """Yield the parts between semicolons. One that only names a place is joined with the part it introduces."""
    introduction = ""
    for part in text.split(";"):
        if lexicon.cues["verb"].search(part) or lexicon.any_term.search(part):
            yield introduction + part
            introduction = ""
        else:
            introduction = f"{part}," if part.strip() else ""
    yield introduction


def _split_at_verbs(piece: str, lexicon: Lexicon) -> Iterator[str]:
    """Yield the clauses of a piece; all but the first begin at the comma or "and" before their verb."""
    verbs = list(_main_verbs(piece, lexicon))
    terms = [match.start() for match in lexicon.any_term.finditer(piece)] if len(verbs) > 1 else []
    cuts = [match.start() for match in _AND_NO.finditer(piece, verbs[0].end())] if verbs else []
    for verb, following in pairwise(verbs):
        if not any(verb.end() <= cut < following.start() for cut in cuts):
            cuts += _cut(piece, verb, following, terms)
    start = 0
    for cut in sorted(cuts):
        yield piece[start:cut]
        start = cut
    yield piece[start:]


def _main_verbs(piece: str, lexicon: Lexicon) -> Iterator[re.Match[str]]:
    """Yield the verbs of the piece except those of relative clauses."""
    pronouns = [match.start() for match in _RELATIVE.finditer(piece)]
    for verb in lexicon.cues["verb"].finditer(piece):
        if pronouns and pronouns[0] < verb.start():
            pronouns = [pronoun for pronoun in pronouns if pronoun > verb.start()]
        else:
            yield verb


def _cut(piece: str, verb: re.Match[str], following: re.Match[str], terms: list[int]) -> list[int]:
    """Return where the clause of the second verb begins, or nothing if no comma or "and" is between the verbs.

    ``terms`` are the positions of all terms in the piece.
    """
    joints = list(_JOINT.finditer(piece, verb.end(), following.start()))
    if joints and _SAME_SUBJECT.match(piece, joints[-1].end()):
        return []
    between = [term for term in terms if verb.end() <= term < following.start()]
    before_first_term = [joint for joint in joints if not between or joint.start() < between[0]]
    if before_first_term and not verb[0].startswith("there"):
        return [before_first_term[-1].start()]
    after_last_term = [joint for joint in joints if between and joint.start() > between[-1]]
    between_terms = [joint for joint in joints if between and joint.start() > between[0]]
    comma_and = [joint for joint in between_terms if joint[0].startswith(",") and joint[0] != ","]
    candidates = comma_and or after_last_term or between_terms
    return [joint.start() for joint in candidates[-1:]]
