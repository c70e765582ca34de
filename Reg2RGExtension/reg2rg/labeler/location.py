"""Read sides, levels, and sizes from a clause, and assign them to its terms."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from reg2rg.labeler.lexicon import Lexicon

_LENGTH = re.compile(
    r"(?<![\w.,])(\d+(?:[.,]\d+)?)((?:\s*(?:mm|cm)?\s*[x×*-]\s*\d+(?:[.,]\d+)?)*)\s*(mm|cm|millimet|centimet)"
)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
_JOINT = re.compile(r",|\band\b|;")
_AND = re.compile(r"\band\b")
# A place before its term: "..., in the left lung, a nodule".
_PLACE_BEFORE_TERM = re.compile(r"(?:,|\band\b)[\s,]*(?:and\s+)?(?:in|at|on)\b[^,]*$")
# Words between a place and the next term that show that the place does not belong to that term.
_NOT_ADJECTIVE = re.compile(
    r",|\b(?:and|with|accompan\w*|in|at|of|on|is|are|was|were|there|adjacent|consistent|compatible)\b"
)
_LIMIT_REACH = 25
"""Number of characters before a length that are searched for a limit such as "less than"."""
_REST_OF_UNIT = re.compile(r"\w*\s*")


@dataclass(frozen=True)
class Length:
    """Lengths that are given together, such as "20x14 mm".

    Attributes:
        largest: the largest of them in mm.
        smallest: the smallest of them in mm.
    """

    largest: float
    smallest: float


@dataclass(frozen=True)
class Place:
    """Sides, levels, and lengths in a part of a clause. A place is truthy if it has a side or a level.

    Attributes:
        sides: subset of {"left", "right"}.
        levels: pairs of the name of a set of levels and the level.
        lengths: lengths in the order of the text.
        emphasized: whether it stresses a part of a place named elsewhere ("more prominent on the right").
    """

    sides: frozenset[str] = frozenset()
    levels: frozenset[tuple[str, str]] = frozenset()
    lengths: tuple[Length, ...] = ()
    emphasized: bool = False

    def __bool__(self) -> bool:
        return bool(self.sides or self.levels)

    def __or__(self, other: Place) -> Place:
        return Place(
            sides=self.sides | other.sides,
            levels=self.levels | other.levels,
            lengths=self.lengths + other.lengths,
            emphasized=self.emphasized or other.emphasized,
        )


def places_of_terms(clause: str, spans: Sequence[tuple[int, int]], lexicon: Lexicon) -> list[Place]:
    """Return the place of each term in a clause.

    The text after a term belongs to that term, up to the next term. However, a place directly before the next term
    belongs to that next term if a comma or "and" separates it from the first term and only adjectives separate it from
    the second. A term without a place takes the place before all terms, or shares the next place after later terms.

    Args:
        clause: a clause in lower case.
        spans: start and end of each term, in order and without overlaps.
        lexicon: the sides, levels, and cues to use.

    Returns:
        One place per term. Its lengths are not those of the term; see lengths_of_terms.
    """
    if len(spans) == 1:
        return [read_place(clause, lexicon)]
    leading = read_place(clause[: spans[0][0]], lexicon)
    before, after = [leading], []
    for (start, end), (next_start, _) in pairwise(spans):
        cut = _division(clause[end:next_start], lexicon)
        after.append(read_place(clause[start : end + cut], lexicon))
        before.append(read_place(clause[end + cut : next_start], lexicon))
    after.append(read_place(clause[spans[-1][0] :], lexicon))
    places: list[Place] = []
    for index, (start, _) in enumerate(spans):
        own = before[index] | after[index] if index else after[0]
        if index and not own and lexicon.cues["relation"].search(clause, spans[index - 1][1], start):
            places.append(places[-1])
        else:
            later = next((place for place in after[index + 1 :] if place), Place())
            places.append(_combine(own, leading, later))
    return places


def lengths_of_terms(clause: str, spans: Sequence[tuple[int, int]], lexicon: Lexicon) -> list[tuple[Length, ...]]:
    """Return the lengths of each term in a clause; those before all terms belong to the first.

    Args:
        clause: a clause in lower case.
        spans: start and end of each term that can have a size, in order and without overlaps.
        lexicon: the sides, levels, and cues to use.

    Returns:
        The lengths of each term in the order of the text.
    """
    if len(spans) == 1:
        return [read_place(clause, lexicon).lengths]
    bounds = [0]
    for (_, end), (start, _) in pairwise(spans):
        bounds.append(end + _division(clause[end:start], lexicon))
    bounds.append(len(clause))
    return [read_place(clause[start:end], lexicon).lengths for start, end in pairwise(bounds)]


def read_place(text: str, lexicon: Lexicon) -> Place:
    """Return all sides, levels, and lengths in a lowercase text.

    Limits ("less than 1 cm") and distances ("1 cm from the pleura") are not lengths.
    """
    sides = {side for side, pattern in lexicon.sides if pattern.search(text)}
    if "both" in sides:
        sides = {"left", "right"}
    levels = {(name, level) for name, rows in lexicon.levels.items() for level, pattern in rows if pattern.search(text)}
    return Place(
        sides=frozenset(sides),
        levels=frozenset(levels),
        lengths=_read_lengths(text, lexicon),
        emphasized=lexicon.cues["emphasis"].search(text) is not None,
    )


def _read_lengths(text: str, lexicon: Lexicon) -> tuple[Length, ...]:
    lengths = []
    for match in _LENGTH.finditer(text):
        if _precedes(lexicon.cues["distance"], text, match) or _follows(lexicon.cues["limit"], text, match):
            continue
        scale = 10 if match[3].startswith("c") else 1
        numbers = _NUMBER.findall(match[1] + match[2].replace("-", " "))
        millimeters = [float(number.replace(",", ".")) * scale for number in numbers]
        lengths.append(Length(max(millimeters), min(millimeters)))
    return tuple(lengths)


def least_excess(text: str, lexicon: Lexicon) -> float | None:
    """Return the length in mm that a lowercase text calls exceeded ("larger than 4 mm"); None without one."""
    for match in _LENGTH.finditer(text):
        if _follows(lexicon.cues["excess"], text, match) or _precedes(lexicon.cues["excess"], text, match):
            return float(match[1].replace(",", ".")) * (10 if match[3].startswith("c") else 1)
    return None


def _follows(cue: re.Pattern[str], text: str, length: re.Match[str]) -> bool:
    """Return whether a length follows a cue closely, without another number between them."""
    found = cue.search(text, max(0, length.start() - _LIMIT_REACH), length.start())
    return found is not None and not _NUMBER.search(text, found.end(), length.start())


def _precedes(cue: re.Pattern[str], text: str, length: re.Match[str]) -> bool:
    """Return whether a cue directly follows a length."""
    rest = _REST_OF_UNIT.match(text, length.end())
    return rest is not None and cue.match(text, rest.end()) is not None


def _division(gap: str, lexicon: Lexicon) -> int:
    """Return how many characters of the text between two terms belong to the first term."""
    end = _end_of_places(gap, lexicon)
    places, tail = gap[:end], gap[end:]
    place_before_term = _PLACE_BEFORE_TERM.search(places)
    if place_before_term and not _AND.search(tail):
        return place_before_term.start()
    joints = list(_JOINT.finditer(places))
    return joints[-1].start() if joints and not _NOT_ADJECTIVE.search(tail) else len(gap)


def _end_of_places(text: str, lexicon: Lexicon) -> int:
    """Return the end of the last side, level, or length."""
    sides = [pattern for _, pattern in lexicon.sides]
    levels = [pattern for rows in lexicon.levels.values() for _, pattern in rows]
    return max((match.end() for pattern in (*sides, *levels, _LENGTH) for match in pattern.finditer(text)), default=0)


def _combine(own: Place, leading: Place, later: Place) -> Place:
    """Return the place of a term.

    ``own`` is the place next to the term, ``leading`` the place before all terms, and ``later`` the next place after a
    later term.
    """
    if own:
        return own | leading if own.emphasized or leading.emphasized or not own.sides else own
    return leading | later if not leading.levels and (not leading or later.sides <= leading.sides) else leading
