"""Ids of the tokens that stand for image and regions in a prompt; they follow the vocabulary (reference A.4)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SpecialTokens:
    """Numbering of the special tokens after a vocabulary of ``vocab_size`` words.

    Order: <image>, </image>, <region>, </region>, the image's ``latents`` tokens, then ``latents`` + 1 per slot.
    """

    vocab_size: int
    latents: int

    @property
    def region_length(self) -> int:
        """Tokens of one region: texture latents and the geometry token."""
        return self.latents + 1

    @property
    def image(self) -> list[int]:
        """<image>, the image's tokens, </image>."""
        first = self.vocab_size + 4
        return [self.vocab_size, *range(first, first + self.latents), self.vocab_size + 1]

    def region(self, slot: int) -> list[int]:
        """<region>, the tokens of slot ``slot``, </region>."""
        first = self.vocab_size + 4 + self.latents + slot * self.region_length
        return [self.vocab_size + 2, *range(first, first + self.region_length), self.vocab_size + 3]
