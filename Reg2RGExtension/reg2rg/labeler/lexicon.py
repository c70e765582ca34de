"""The tables of terms (terms.tsv, further_terms.tsv) as compiled patterns; the first's head says what rows mean."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from reg2rg.errors import InputError
from reg2rg.labeler.mention import ALL_LABELS
from reg2rg.regions import REGION_NAMES

TABLE_FILE = Path(__file__).with_name("terms.tsv")
FURTHER_FILE = Path(__file__).with_name("further_terms.tsv")
WHOLE_REPORT = "whole"
_ANY = "any"
_COLUMNS = {"label": 5, "term": 6, "deny": 2, "doubt": 2, "side": 2, "level": 3}
_CHOICES = {
    ("term", 1): {"said", "absent", "open"},
    ("deny", 0): {"before", "after"},
    ("doubt", 0): {"before", "after"},
    ("side", 0): {"left", "right", "both"},
}
_CUES = ("moot", "bound", "ignore", "break", "verb", "same", "also")


@dataclass(frozen=True)
class Label:
    """What sentences can say about a label: sides, levels of which set, a size, and from where an open term counts."""

    sided: bool
    levels: str | None
    sized: bool
    enlarged_mm: float | None


@dataclass(frozen=True)
class Term:
    """A row that reads a label; see the table's head."""

    label: str
    status: str
    pattern: re.Pattern
    near: re.Pattern | None
    regions: frozenset[str]
    unless: re.Pattern | None

    def fits(self, clause: str, region: str | None) -> bool:
        """Whether it is read in this clause of that region's section."""
        if self.near and self.near.search(clause):
            return True
        return (region or WHOLE_REPORT) in self.regions and not (self.unless and self.unless.search(clause))

    def may_fit(self, sentence: str, region: str | None) -> bool:
        """False where it is read in no clause of the sentence (lower case)."""
        if (region or WHOLE_REPORT) not in self.regions and not (self.near and self.near.search(sentence)):
            return False
        return self.pattern.search(sentence) is not None


@dataclass(frozen=True)
class Table:
    """The whole table. Of the kinds of cue all patterns are joined into one.

    Attributes:
        terms: in the table's order.
        any_term: finds what any term finds.
        deny, doubt: cues "before" and "after" the term.
        sides, levels: (side or name, pattern); levels by set.
        cues: moot, bound, ignore, break, verb, same, also.
        digest: of the files' content.
    """

    labels: dict[str, Label]
    terms: tuple[Term, ...]
    any_term: re.Pattern
    deny: dict[str, re.Pattern]
    doubt: dict[str, re.Pattern]
    sides: tuple[tuple[str, re.Pattern], ...]
    levels: dict[str, tuple[tuple[str, re.Pattern], ...]]
    cues: dict[str, re.Pattern]
    digest: str


@dataclass(frozen=True)
class Tables:
    """What the reader knows.

    Attributes:
        published: the words of LABELS and all cues.
        all: with the words of FURTHER_LABELS.
        further: the words of FURTHER_LABELS alone.
    """

    published: Table
    all: Table
    further: Table


@lru_cache(maxsize=1)
def tables() -> Tables:
    """The tables beside this file, read once; InputError names a line that cannot be read."""
    return Tables(read_table(TABLE_FILE), read_table(TABLE_FILE, FURTHER_FILE), read_table(FURTHER_FILE))


def read_table(*paths: Path) -> Table:
    """A table of terms from the rows of one or more files."""
    rows: dict[str, list[list[str]]] = {kind: [] for kind in (*_COLUMNS, *_CUES)}
    content = [path.read_bytes() for path in paths]
    for path, lines in zip(paths, content, strict=True):
        for kind, columns in _rows(path, lines.decode("utf-8")):
            rows[kind].append(columns)
    terms = tuple(_term(row) for row in rows["term"])
    return Table(
        labels={row[0]: _label(row) for row in rows["label"]},
        terms=terms,
        any_term=_joined(row[2] for row in rows["term"]),
        deny=_by_first(rows["deny"]),
        doubt=_by_first(rows["doubt"]),
        sides=tuple((side, compile_pattern(pattern)) for side, pattern in rows["side"]),
        levels={
            name: tuple((row[1], compile_pattern(row[2])) for row in rows["level"] if row[0] == name)
            for name in {row[0] for row in rows["level"]}
        },
        cues={kind: _joined(row[0] for row in rows[kind]) for kind in _CUES},
        digest=hashlib.sha256(b"".join(content)).hexdigest(),
    )


def _rows(path: Path, content: str) -> Iterator[tuple[str, list[str]]]:
    """Kind and columns of the rows of a file."""
    for number, line in enumerate(content.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            kind, *columns = re.split(r"\t+", line.rstrip("\t "))
            try:
                _check(kind, columns)
            except (ValueError, re.error) as error:
                raise InputError(f"{path}, line {number}: {error}. The head of terms.tsv says what rows are.") from None
            yield kind, columns


def compile_pattern(pattern: str) -> re.Pattern:
    """A pattern of the table as a regular expression for lower-case text."""
    return re.compile(_expanded(pattern))


def _expanded(pattern: str) -> str:
    pattern = pattern.replace(" ... ", r"(?:\W+\w+){0,12}?\W+")
    pattern = re.sub(r" \.\.(\d?) ", lambda m: rf"(?:[^\w,]+\w+){{0,{m[1] or 5}}}?[^\w,]+", pattern)
    return r"(?<!\w)(?:" + pattern.replace(" ?", r"[\s-]*").replace(" ", r"[\s-]+") + r")"


def _joined(patterns: Sequence[str]) -> re.Pattern:
    return compile_pattern("|".join(patterns))


def _by_first(rows: Sequence[Sequence[str]]) -> dict[str, re.Pattern]:
    return {place: _joined(pattern for where, pattern in rows if where == place) for place in ("before", "after")}


def _label(row: Sequence[str]) -> Label:
    _, sided, levels, sized, enlarged = row
    return Label(
        sided == "sided",
        None if levels == "-" else levels,
        sized == "sized",
        None if enlarged == "-" else float(enlarged),
    )


def _term(row: Sequence[str]) -> Term:
    label, status, pattern, near, regions, unless = row
    names = {*REGION_NAMES, WHOLE_REPORT} if regions == _ANY else set() if regions == "-" else set(regions.split(","))
    compiled = [None if text == "-" else compile_pattern(text) for text in (near, unless)]
    return Term(label, status, compile_pattern(f"(?:{pattern})\\w*"), compiled[0], frozenset(names), compiled[1])


def _check(kind: str, columns: Sequence[str]) -> None:
    """ValueError or re.error where a row cannot be meant."""
    if kind not in _COLUMNS and kind not in _CUES:
        raise ValueError(f"no kind of row is called {kind!r}")
    expected = _COLUMNS.get(kind, 1)
    if len(columns) != expected:
        raise ValueError(f"a {kind!r} row has {expected} columns behind its kind, not {len(columns)}")
    for (name, index), choices in _CHOICES.items():
        if kind == name and columns[index] not in choices:
            raise ValueError(f"{columns[index]!r} is none of {', '.join(sorted(choices))}")
    if kind in ("label", "term") and columns[0] not in ALL_LABELS:
        raise ValueError(f"no label is called {columns[0]!r}")
    if kind == "term":
        unknown = set(columns[4].split(",")) - {*REGION_NAMES, WHOLE_REPORT, _ANY, "-"}
        if unknown:
            raise ValueError(f"no region is called {', '.join(sorted(unknown))}")
    for pattern in columns[2:4] + columns[5:] if kind == "term" else columns[-1:]:
        compile_pattern(pattern)
