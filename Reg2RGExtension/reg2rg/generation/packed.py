"""A packed sequence: the prompts and all that is written after them, in one sequence and one key-value cache.

Several texts can continue one prompt without a copy of its keys and values: all their tokens lie behind one another,
each with the position it has in its own text, and a mask lets a token see only what belongs to its text. A step of ten
texts is then one forward pass over ten tokens, in which weights and prompt are read once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reg2rg.generation.attention import packed_attention_in
from reg2rg.generation.cache import KeyValueCache


@dataclass(frozen=True)
class Tokens:
    """Tokens to add to a packed sequence.

    Attributes:
        embeddings: (N, width).
        positions: place of each in its text.
        texts: bit set of the texts that each belongs to, one bit a text (at most 62); a token sees those before it
            that belong to all of its texts.
    """

    embeddings: Tensor
    positions: Sequence[int]
    texts: Sequence[int]


class PackedSequence:
    """The tokens a language model has seen, and to which texts they belong."""

    def __init__(self, causal_lm: nn.Module) -> None:
        self._causal_lm = causal_lm
        self._cache = KeyValueCache()
        self._texts = torch.empty(0, dtype=torch.long)

    def __len__(self) -> int:
        return self._cache.length

    def add(self, tokens: Tokens, wanted: Sequence[int] = ()) -> Tensor:
        """Run the model over new tokens; returns float32 logits (len(wanted), words) after those of these indices."""
        new = torch.tensor(tokens.texts, dtype=torch.long)
        texts = torch.cat([self._texts, new])
        device = tokens.embeddings.device
        with packed_attention_in(self._causal_lm):
            logits = self._causal_lm(
                inputs_embeds=tokens.embeddings[None],
                attention_mask=attention_mask(texts, new, tokens.embeddings.dtype)[None].to(device),
                position_ids=torch.tensor([tokens.positions], device=device),
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=torch.tensor(wanted, dtype=torch.long, device=device),
            ).logits[0]
        self._texts = texts  # only now: a pass that failed, for want of memory, leaves everything as it was
        self._cache.length = len(texts)
        return logits.float()

    def hide(self, first: int, end: int) -> None:
        """Let no text see the tokens ``first`` to ``end`` any more."""
        self._texts[first:end] = 0

    def truncate(self, length: int) -> None:
        """Forget all tokens after the first ``length``."""
        self._cache.truncate(length)
        self._texts = self._texts[:length]


def attention_mask(texts: Tensor, new: Tensor, dtype: torch.dtype) -> Tensor:
    """Additive mask (1, new, all) of tokens with these bit sets, of which ``new`` are the last ones.

    0 where a token sees another: one before it, or itself, that belongs to all of its texts.
    """
    seen = (texts & new[:, None]) == new[:, None]
    order = torch.arange(len(texts))
    seen &= order <= order[len(texts) - len(new) :, None]
    return torch.zeros(seen.shape, dtype=dtype).masked_fill_(~seen, torch.finfo(dtype).min)[None]
