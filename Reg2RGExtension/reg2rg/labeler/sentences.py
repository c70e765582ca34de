"""From a text to its sentences, each with the region whose section it stands in."""

from __future__ import annotations

import re
from collections.abc import Iterator

from reg2rg.regions import REGION_NAMES

_SECTION = re.compile(r"The region \d+ is ([^:.\n]{1,60}):")
# Of at most 2,000 characters or brackets, so that a text without full stops takes no longer than others.
_SENTENCE = re.compile(r"(?:\([^()\n]{0,300}\)|[^.!?\n]|[.!?](?!\s|$)){1,2000}[.!?]*|[.!?]+")


def split_sections(text: str, region: str | None) -> Iterator[tuple[int, int, str | None]]:
    """Start, end and region of the text's parts: "The region i is NAME:" begins one, before it is ``region``.

    A name that no region has begins one of no region.
    """
    start = 0
    for match in _SECTION.finditer(text):
        yield start, match.start(), region
        name = match[1].strip().lower()
        start, region = match.end(), name if name in REGION_NAMES else None
    yield start, len(text), region


def split_sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Start and end of the sentences of a part, without white space; a full stop in a number or bracket ends none."""
    for match in _SENTENCE.finditer(text, start, end):
        sentence = match[0]
        if sentence.strip():
            yield match.start() + len(sentence) - len(sentence.lstrip()), match.start() + len(sentence.rstrip())
