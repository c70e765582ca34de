"""Which side, level and size of a clause belongs to which of its terms."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from reg2rg.labeler.lexicon import Table

_LENGTH = re.compile(
    r"(?<![\w.,])(\d+(?:[.,]\d+)?)((?:\s*(?:mm|cm)?\s*[x×*-]\s*\d+(?:[.,]\d+)?)*)\s*(mm|cm|millimet|centimet)"
)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
_JOINT = re.compile(r",|\band\b|;")
_AND = re.compile(r"\band\b")
# A place that comes before its term: "..., in the left lung, a nodule".
_INTRODUCED = re.compile(r"(?:,|\band\b)[\s,]*(?:and\s+)?(?:in|at|on)\b[^,]*$")
# What stands between a place and the next term where the place is not said of that term.
_NOT_ADJECTIVE = re.compile(
    r",|\b(?:and|with|accompan\w*|in|at|of|on|is|are|was|were|there|adjacent|consistent|compatible)\b"
)
_BOUND_REACH = 25
"""Characters before a length in which a limit ("less than") makes it no size."""


@dataclass(frozen=True)
class Length:
    """Lengths that stand together ("20x14 mm"): the largest and the smallest of them in mm."""

    largest: float
    smallest: float


@dataclass(frozen=True)
class Place:
    """What a stretch of text says of where and how large."""

    sides: frozenset[str] = frozenset()
    levels: frozenset[tuple[str, str]] = frozenset()
    lengths: tuple[Length, ...] = ()
    also: bool = False

    def __bool__(self) -> bool:
        return bool(self.sides or self.levels)

    def __or__(self, other: Place) -> Place:
        return Place(
            self.sides | other.sides, self.levels | other.levels, self.lengths + other.lengths, self.also or other.also
        )


def places_of_terms(clause: str, spans: Sequence[tuple[int, int]], table: Table) -> list[Place]:
    """The place of each term; spans are in order and do not overlap.

    What stands behind a term is its own, up to the next one, unless a comma or "and" and nothing but adjectives part
    it from that. A term without a place has the one before it, or shares the one behind the terms that follow it.
    """
    if len(spans) == 1:
        return [read_place(clause, table)]
    leading = read_place(clause[: spans[0][0]], table)
    before, behind = [leading], []
    for (start, end), (next_start, _) in zip(spans, spans[1:], strict=False):
        cut = _division(clause[end:next_start], table)
        behind.append(read_place(clause[start : end + cut], table))
        before.append(read_place(clause[end + cut : next_start], table))
    behind.append(read_place(clause[spans[-1][0] :], table))
    places: list[Place] = []
    for index, (start, _) in enumerate(spans):
        own = before[index] | behind[index] if index else behind[0]
        if index and not own and table.cues["same"].search(clause, spans[index - 1][1], start):
            places.append(places[-1])
        else:
            later = next((place for place in behind[index + 1 :] if place), Place())
            places.append(_place(own, leading, later))
    return places


def lengths_of_terms(clause: str, spans: Sequence[tuple[int, int]], table: Table) -> list[tuple[Length, ...]]:
    """The lengths of each term: its own, and for the first also those before it."""
    if len(spans) == 1:
        return [read_place(clause, table).lengths]
    starts = [0]
    for (_, end), (start, _) in zip(spans, spans[1:], strict=False):
        starts.append(end + _division(clause[end:start], table))
    return [read_place(clause[a:b], table).lengths for a, b in zip(starts, [*starts[1:], len(clause)], strict=True)]


def read_place(text: str, table: Table) -> Place:
    """All sides, levels and lengths of a text; lengths that are limits are left out."""
    sides = {side for side, pattern in table.sides if pattern.search(text)}
    if "both" in sides:
        sides = {"left", "right"}
    levels = {(name, level) for name, rows in table.levels.items() for level, pattern in rows if pattern.search(text)}
    return Place(frozenset(sides), frozenset(levels), _lengths(text, table), bool(table.cues["also"].search(text)))


def _lengths(text: str, table: Table) -> tuple[Length, ...]:
    found = []
    for match in _LENGTH.finditer(text):
        limit = table.cues["bound"].search(text, max(0, match.start() - _BOUND_REACH), match.start())
        if limit and not _NUMBER.search(text, limit.end(), match.start()):
            continue
        scale = 10 if match[3].startswith("c") else 1
        numbers = [float(n.replace(",", ".")) * scale for n in _NUMBER.findall(match[1] + match[2].replace("-", " "))]
        found.append(Length(max(numbers), min(numbers)))
    return tuple(found)


def _division(gap: str, table: Table) -> int:
    """How many characters of the text between two terms belong to the first."""
    end = _end_of_places(gap, table)
    places, tail = gap[:end], gap[end:]
    introduced = _INTRODUCED.search(places)
    if introduced and not _AND.search(tail):
        return introduced.start()
    joints = list(_JOINT.finditer(places))
    return joints[-1].start() if joints and not _NOT_ADJECTIVE.search(tail) else len(gap)


def _end_of_places(text: str, table: Table) -> int:
    patterns = [*(p for _, p in table.sides), *(p for rows in table.levels.values() for _, p in rows), _LENGTH]
    return max((match.end() for pattern in patterns for match in pattern.finditer(text)), default=0)


def _place(own: Place, leading: Place, later: Place) -> Place:
    """The place of a term from its own, the one before all terms, and the next one behind later terms."""
    if own:
        return own | leading if own.also or leading.also or not own.sides else own
    return leading | later if not leading.levels and (not leading or later.sides <= leading.sides) else leading
