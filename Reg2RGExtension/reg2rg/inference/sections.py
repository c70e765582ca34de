"""A growing text, divided into sections for the regions it describes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reg2rg.inference.backend import TextState
from reg2rg.prompting import parse_report
from reg2rg.report.linking import TextToken


@dataclass(frozen=True)
class GeneratedSection:
    """What the model generated for one region.

    Attributes:
        region: the region that the model was asked to describe.
        recognized: the region that the model named, as generated. None if nothing was generated for this region.
        text: the report text.
        tokens: the tokens of the text.
        complete: False while the text is growing, or if it was cut off at the token limit.
    """

    region: str
    recognized: str | None
    text: str
    tokens: tuple[TextToken, ...]
    complete: bool


class GrowingText:
    """A text that is being generated, and the regions it describes.

    Attributes:
        state: the state of the text.
        regions: slot -> region.
    """

    def __init__(self, tokenizer: Any, state: TextState, opening_ids: list[int], regions: Mapping[int, str]) -> None:
        """Initialize the sections of a text.

        Args:
            tokenizer: a transformers tokenizer.
            state: the state of the text.
            opening_ids: token IDs that the text begins with and that were not generated.
            regions: slot -> region.
        """
        self.state = state
        self.regions = regions
        self._opening_ids = opening_ids
        self._tokenizer = tokenizer
        self._decoded = ""
        self._ends: list[int] = []  # length of the decoded text after each generated token

    def sections(self) -> list[GeneratedSection]:
        """Return the current sections, in the order of the regions."""
        self._decode_new_tokens()
        slots = {slot.slot: slot for slot in parse_report(self._decoded)}
        sections = []
        for index, region in self.regions.items():
            slot = slots.get(index)
            if slot is None:
                sections.append(GeneratedSection(region, None, "", (), self.state.complete))
                continue
            text, tokens = self._decoded[slot.start : slot.end], tuple(self._tokens(slot.start, slot.end))
            complete = slot.closed or self.state.complete
            sections.append(GeneratedSection(region, slot.recognized, text, tokens, complete))
        return sections

    def _decode_new_tokens(self) -> None:
        for count in range(len(self._ends) + 1, len(self.state.ids) + 1):
            ids = [*self._opening_ids, *self.state.ids[:count]]
            self._decoded = self._tokenizer.decode(ids, skip_special_tokens=True)
            self._ends.append(len(self._decoded))

    def _tokens(self, start: int, end: int) -> Iterator[TextToken]:
        """Yield the tokens between two characters of the decoded text, relative to ``start``."""
        token_start = 0
        for token_end, probability in zip(self._ends, self.state.probabilities, strict=True):
            if max(token_start, start) < min(token_end, end):
                yield TextToken(max(token_start, start) - start, min(token_end, end) - start, probability)
            token_start = token_end
