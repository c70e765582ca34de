"""Ids of the tokens that stand for image and regions in a prompt; they follow the vocabulary (reference A.4)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SpecialTokens:
    """Numbering of the special tokens after a vocabulary of ``vocab_size`` words.

    Order: <image>, </image>, <region>, </region>, the image's ``latents`` tokens, then ``region_length`` per slot:
    texture latents, the geometry token and, where the model has any, cues.
    """

    vocab_size: int
    latents: int
    region_length: int

    @property
    def image(self) -> list[int]:
        """<image>, the image's tokens, </image>."""
        first = self.vocab_size + 4
        return [self.vocab_size, *range(first, first + self.latents), self.vocab_size + 1]

    def region(self, slot: int) -> list[int]:
        """<region>, the tokens of slot ``slot``, </region>."""
        first = self.vocab_size + 4 + self.latents + slot * self.region_length
        return [self.vocab_size + 2, *range(first, first + self.region_length), self.vocab_size + 3]
