"""From a text to its sentences, each with the region whose section it stands in."""

from __future__ import annotations

import re
from collections.abc import Iterator

from reg2rg.regions import REGION_NAMES

_SECTION = re.compile(rf"The region \d+ is ({'|'.join(REGION_NAMES)}):", re.IGNORECASE)
_SENTENCE = re.compile(r"(?:\([^()\n]{0,300}\)|[^.!?\n]|[.!?](?!\s|$))+[.!?]*|[.!?]+")


def split_sections(text: str, region: str | None) -> Iterator[tuple[int, int, str | None]]:
    """Start, end and region of the text's parts: "The region i is NAME:" begins one, before it is ``region``."""
    start = 0
    for match in _SECTION.finditer(text):
        yield start, match.start(), region
        start, region = match.end(), match[1].lower()
    yield start, len(text), region


def split_sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Start and end of the sentences of a part, without white space; a full stop in a number or bracket ends none."""
    for match in _SENTENCE.finditer(text, start, end):
        sentence = match[0]
        if sentence.strip():
            yield match.start() + len(sentence) - len(sentence.lstrip()), match.start() + len(sentence.rstrip())
