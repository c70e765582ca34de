"""Drafts: a text while it is written, seen as sections of the regions that it tells of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reg2rg.inference.decoding import Text
from reg2rg.prompting import parse_report


@dataclass(frozen=True)
class TextToken:
    """Characters ``start`` to ``end`` of a section's text, from a token that the model gave this probability."""

    start: int
    end: int
    probability: float


@dataclass(frozen=True)
class GeneratedSection:
    """What the model wrote about one region.

    Attributes:
        region: the region it was asked about.
        recognised: the name it gave that region, as written; None if it wrote nothing about it.
        text: the report text.
        tokens: the text's tokens.
        complete: False while it grows, and if it was cut off at the token limit.
    """

    region: str
    recognised: str | None
    text: str
    tokens: tuple[TextToken, ...]
    complete: bool


class Draft:
    """A text and the regions it tells of, by slot.

    Attributes:
        text: it.
        regions: slot -> region.
    """

    def __init__(self, tokenizer: Any, text: Text, opening: list[int], regions: Mapping[int, str]) -> None:
        self.text = text
        self.regions = regions
        self._opening = opening  # ids that the text was begun with and that nobody drew
        self._tokenizer = tokenizer
        self._words = ""
        self._ends: list[int] = []  # length of the words after each drawn token

    def sections(self) -> list[GeneratedSection]:
        """Sections of its regions, in their order, as far as they are written."""
        self._read_on()
        written = {slot.slot: slot for slot in parse_report(self._words)}
        sections = []
        for index, region in self.regions.items():
            slot = written.get(index)
            if slot is None:
                sections.append(GeneratedSection(region, None, "", (), self.text.whole))
                continue
            words, tokens = self._words[slot.start : slot.end], tuple(self._tokens(slot.start, slot.end))
            sections.append(GeneratedSection(region, slot.recognized, words, tokens, slot.closed or self.text.whole))
        return sections

    def _read_on(self) -> None:
        for count in range(len(self._ends) + 1, len(self.text.drawn) + 1):
            self._words = self._tokenizer.decode([*self._opening, *self.text.drawn[:count]], skip_special_tokens=True)
            self._ends.append(len(self._words))

    def _tokens(self, start: int, end: int) -> Iterator[TextToken]:
        begin = 0
        for stop, probability in zip(self._ends, self.text.probabilities, strict=True):
            if max(begin, start) < min(stop, end):
                yield TextToken(max(begin, start) - start, min(stop, end) - start, probability)
            begin = stop
