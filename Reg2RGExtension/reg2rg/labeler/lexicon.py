"""The terms and cues of terms.tsv and further_terms.tsv as compiled patterns.

The comment at the top of terms.tsv describes the rows and the syntax of the patterns.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from reg2rg.errors import InputError
from reg2rg.labeler.mention import ALL_LABELS, Status
from reg2rg.regions import REGION_NAMES

TERMS_FILE = Path(__file__).with_name("terms.tsv")
FURTHER_TERMS_FILE = Path(__file__).with_name("further_terms.tsv")
WHOLE_REPORT = "whole"
"""In the regions of a row, stands for text outside any section."""

_ANY_REGION = "any"
_EMPTY = "-"
_COLUMN_COUNTS = {"label": 5, "term": 6, "negation": 2, "uncertainty": 2, "side": 2, "level": 3}
_CUE_KINDS = ("comparison", "limit", "distance", "excess", "ignore", "conjunction", "verb", "relation", "emphasis")
_PLACES = ("before", "after")
_NOT_BESIDE = r"(?!(?:near|beside|behind|(?:next|close|adjacent) to)\b)"
"""What follows these words is something else: "enlarged lymph nodes near the heart" is not an enlarged heart."""
_CHOICES = {
    ("term", 1): {status.value for status in Status},
    ("negation", 0): set(_PLACES),
    ("uncertainty", 0): set(_PLACES),
    ("side", 0): {"left", "right", "both"},
}


@dataclass(frozen=True)
class LabelTraits:
    """Which details a sentence can give about a label.

    Attributes:
        sided: whether it has a side.
        levels: name of the set of levels it can be in, such as "lobe", or None.
        sized: whether it has a size.
        enlarged_mm: smallest size in mm at which an uncertain term counts as present, or None.
    """

    sided: bool
    levels: str | None
    sized: bool
    enlarged_mm: float | None


@dataclass(frozen=True)
class Term:
    """A row of kind "term".

    Attributes:
        label: the label that the term stands for.
        status: status of the term itself, before cues are considered.
        pattern: the term.
        near: where this matches, the term counts in every region.
        regions: regions in whose sections the term counts even without ``near``.
        unless: where this matches, ``regions`` does not apply.
    """

    label: str
    status: Status
    pattern: re.Pattern[str]
    near: re.Pattern[str] | None
    regions: frozenset[str]
    unless: re.Pattern[str] | None

    def applies(self, clause: str, region: str | None) -> bool:
        """Return whether the term counts in a clause of a region's section; ``region`` is None outside sections."""
        if self.near and self.near.search(clause):
            return True
        return (region or WHOLE_REPORT) in self.regions and not (self.unless and self.unless.search(clause))

    def may_apply(self, sentence: str, region: str | None) -> bool:
        """Return False if the term cannot count in any clause of a lowercase sentence."""
        if (region or WHOLE_REPORT) not in self.regions and not (self.near and self.near.search(sentence)):
            return False
        return self.pattern.search(sentence) is not None


@dataclass(frozen=True)
class Lexicon:
    """The rows of one or more files. All patterns for the same kind of cue are joined into one.

    Attributes:
        labels: label -> its traits.
        terms: the terms in the order of the files.
        any_term: matches whatever any of the terms matches.
        negations: "before" or "after" the term -> cues that deny it.
        uncertainties: "before" or "after" the term -> cues that leave it open.
        sides: pairs of a side and its pattern.
        levels: name of a set of levels -> pairs of a level and its pattern.
        cues: kind of all other cues -> their pattern.
        digest: SHA-256 of the rows. Comments, blank lines, and column widths do not affect it.
    """

    labels: dict[str, LabelTraits]
    terms: tuple[Term, ...]
    any_term: re.Pattern[str]
    negations: dict[str, re.Pattern[str]]
    uncertainties: dict[str, re.Pattern[str]]
    sides: tuple[tuple[str, re.Pattern[str]], ...]
    levels: dict[str, tuple[tuple[str, re.Pattern[str]], ...]]
    cues: dict[str, re.Pattern[str]]
    digest: str


@dataclass(frozen=True)
class Lexicons:
    """The lexicons of the rules.

    Attributes:
        published: the terms of LABELS, and all cues except those of further_terms.tsv.
        complete: both files.
        further: the terms of FURTHER_LABELS alone.
    """

    published: Lexicon
    complete: Lexicon
    further: Lexicon


@lru_cache(maxsize=1)
def load_lexicons() -> Lexicons:
    """Read both files; later calls return the same lexicons.

    Raises:
        InputError: a line is not a valid row.
    """
    return Lexicons(
        published=read_lexicon(TERMS_FILE),
        complete=read_lexicon(TERMS_FILE, FURTHER_TERMS_FILE),
        further=read_lexicon(FURTHER_TERMS_FILE),
    )


def label_traits(label: str) -> LabelTraits:
    """Return which details (side, level, size) a sentence can give about one of ALL_LABELS."""
    return load_lexicons().complete.labels[label]


def read_lexicon(*paths: Path) -> Lexicon:
    """Read the rows of one or more files.

    Args:
        *paths: files in the format of terms.tsv.

    Raises:
        InputError: a line is not a valid row.
    """
    rows: dict[str, list[list[str]]] = {kind: [] for kind in (*_COLUMN_COUNTS, *_CUE_KINDS)}
    digest = hashlib.sha256()
    for path in paths:
        for kind, columns in _read_rows(path):
            rows[kind].append(columns)
            digest.update("\t".join((kind, *columns, "\n")).encode("utf-8"))
    return Lexicon(
        labels={row[0]: _label_traits(row) for row in rows["label"]},
        terms=tuple(_term(row) for row in rows["term"]),
        any_term=_join(row[2] for row in rows["term"]),
        negations=_by_place(rows["negation"]),
        uncertainties=_by_place(rows["uncertainty"]),
        sides=tuple((side, _compile(pattern)) for side, pattern in rows["side"]),
        levels={
            name: tuple((row[1], _compile(row[2])) for row in rows["level"] if row[0] == name)
            for name in {row[0] for row in rows["level"]}
        },
        cues={kind: _join(row[0] for row in rows[kind]) for kind in _CUE_KINDS},
        digest=digest.hexdigest(),
    )


def _read_rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the kind and the columns of each row."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            kind, *columns = re.split(r"\t+", line.rstrip("\t "))
            try:
                _check_row(kind, columns)
            except (ValueError, re.error) as error:
                raise InputError(
                    f"{path}, line {number}: {error}. The comment at the top of terms.tsv describes the rows."
                ) from None
            yield kind, columns


def _compile(pattern: str) -> re.Pattern[str]:
    """Compile a pattern from the files, for lowercase text."""
    pattern = pattern.replace(" ... ", r"(?:\W+\w+){0,12}?\W+")
    gap = r"(?:[^\w,]+" + _NOT_BESIDE + r"\w+)"
    pattern = re.sub(r" \.\.(\d?) ", lambda match: rf"{gap}{{0,{match[1] or 5}}}?[^\w,]+", pattern)
    return re.compile(r"(?<!\w)(?:" + pattern.replace(" ?", r"[\s-]*").replace(" ", r"[\s-]+") + r")")


def _join(patterns: Iterable[str]) -> re.Pattern[str]:
    return _compile("|".join(patterns))


def _by_place(rows: Sequence[Sequence[str]]) -> dict[str, re.Pattern[str]]:
    return {place: _join(pattern for where, pattern in rows if where == place) for place in _PLACES}


def _label_traits(row: Sequence[str]) -> LabelTraits:
    _, sided, levels, sized, enlarged_mm = row
    return LabelTraits(
        sided=sided == "sided",
        levels=None if levels == _EMPTY else levels,
        sized=sized == "sized",
        enlarged_mm=None if enlarged_mm == _EMPTY else float(enlarged_mm),
    )


def _term(row: Sequence[str]) -> Term:
    label, status, pattern, near, regions, unless = row
    if regions == _ANY_REGION:
        names = frozenset({*REGION_NAMES, WHOLE_REPORT})
    elif regions == _EMPTY:
        names = frozenset()
    else:
        names = frozenset(regions.split(","))
    return Term(
        label=label,
        status=Status(status),
        pattern=_compile(f"(?:{pattern})\\w*"),
        near=None if near == _EMPTY else _compile(near),
        regions=names,
        unless=None if unless == _EMPTY else _compile(unless),
    )


def _check_row(kind: str, columns: Sequence[str]) -> None:
    """Raise ValueError or re.error if a row is not valid."""
    if kind not in _COLUMN_COUNTS and kind not in _CUE_KINDS:
        raise ValueError(f"unknown kind of row {kind!r}; expected one of: {', '.join((*_COLUMN_COUNTS, *_CUE_KINDS))}")
    expected = _COLUMN_COUNTS.get(kind, 1)
    if len(columns) != expected:
        raise ValueError(f"expected {expected} columns after {kind!r}, got {len(columns)}")
    for (name, index), choices in _CHOICES.items():
        if kind == name and columns[index] not in choices:
            raise ValueError(f"unexpected {columns[index]!r}; expected one of: {', '.join(sorted(choices))}")
    if kind in ("label", "term") and columns[0] not in ALL_LABELS:
        raise ValueError(f"unknown label {columns[0]!r}; expected one of: {', '.join(ALL_LABELS)}")
    if kind == "term":
        known = {*REGION_NAMES, WHOLE_REPORT, _ANY_REGION, _EMPTY}
        unknown = sorted(set(columns[4].split(",")) - known)
        if unknown:
            raise ValueError(f"unknown region {unknown[0]!r}; expected some of: {', '.join(sorted(known))}")
    patterns = [*columns[2:4], *columns[5:]] if kind == "term" else columns[-1:]
    for pattern in patterns:
        _compile(pattern)
