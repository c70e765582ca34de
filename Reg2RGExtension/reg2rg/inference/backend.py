"""The protocol of decoding backends, which generate texts after prompts, and what goes in and out of them.

``Testing/Python/test_backends.py`` states what a backend must do, and runs it for each of them.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor

from reg2rg.inference.sampling import SamplingConfig


@dataclass(frozen=True, eq=False)
class Prompt:
    """A prompt without its last token, which its texts start with.

    Attributes:
        embeddings: (N, width).
        shared: number of tokens that this prompt has in common with all others of the same call, from the start.
        text_bits: bits of the texts that may continue it.
    """

    embeddings: Tensor
    shared: int
    text_bits: int


@dataclass
class TextState:
    """A text that is being generated.

    Attributes:
        prompt: the prompt that it continues.
        text_bits: one bit that no other text has, or several if the text describes several regions. The bits stay the
            same when a text is generated again.
        start_ids: token IDs that the text begins with but that are not generated; at least the prompt's last token.
        max_tokens: number of tokens that may be generated.
        earlier_ids: generated token IDs of its earlier version. They may make a backend faster, but never change the
            text.
        ids: generated token IDs so far, without the one that ended the text.
        probabilities: their probabilities under the model, before sampling settings are applied.
        complete: whether the text ended with an end-of-sequence token rather than at the token limit.
        ended: whether generation has ended. The caller may set it to end a text early.
    """

    prompt: Prompt
    text_bits: int
    start_ids: Sequence[int]
    max_tokens: int
    earlier_ids: list[int] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    complete: bool = False
    ended: bool = False

    @property
    def number(self) -> int:
        """Number of the text, which does not depend on the texts that are generated with it."""
        return self.text_bits.bit_length()

    def append(self, token_id: int, probability: float, eos_token_id: int | None) -> None:
        """Append a chosen token, or end the text with it."""
        self.complete = token_id == eos_token_id
        if not self.complete:
            self.ids.append(token_id)
            self.probabilities.append(probability)
        self.ended = self.complete or len(self.ids) >= self.max_tokens


class DecodingBackend(Protocol):
    """Generates texts with one language model."""

    def decode(
        self, texts: Sequence[TextState], eos_token_id: int | None, sampling: SamplingConfig | None
    ) -> Generator[list[TextState], None, None]:
        """Generate texts, all at once, until each has ended.

        A text ends with an end-of-sequence token, at its token limit, or when the caller sets ``ended``. Closing the
        generator cancels all texts and leaves the backend usable.

        Args:
            texts: the texts to generate; their states are updated.
            eos_token_id: ID of the end-of-sequence token. If None, texts end only at their token limit.
            sampling: settings for random sampling. If None, the most probable token is always chosen.

        Yields:
            The texts that have grown or ended since the last time.
        """
        ...
