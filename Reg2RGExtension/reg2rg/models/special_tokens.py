"""IDs of the special tokens, the placeholders in a prompt for image and region features."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SpecialTokens:
    """Numbering of the special tokens, which follow the tokens of the vocabulary.

    The order is <image>, </image>, <region>, </region>, the image's tokens, then the tokens of each slot: texture
    latents, the geometry token and, if the model uses cues, the cue tokens.

    Attributes:
        vocab_size: number of tokens in the vocabulary.
        latents: number of tokens of the image.
        region_length: number of tokens per slot.
    """

    vocab_size: int
    latents: int
    region_length: int

    @property
    def image(self) -> list[int]:
        """IDs of <image>, the image's tokens and </image>."""
        first = self.vocab_size + 4
        return [self.vocab_size, *range(first, first + self.latents), self.vocab_size + 1]

    def region(self, slot: int) -> list[int]:
        """Return the IDs of <region>, the tokens of a slot and </region>."""
        first = self.vocab_size + 4 + self.latents + slot * self.region_length
        return [self.vocab_size + 2, *range(first, first + self.region_length), self.vocab_size + 3]
