"""A packed sequence: the prompts and all that is written after them, in one sequence and one key-value cache.

Several texts can continue one prompt without a copy of its keys and values: all their tokens lie behind one another,
each with the position it has in its own text, and a mask lets a token see only what belongs to its text. A step of ten
texts is then one forward pass over ten tokens, in which weights and prompt are read once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reg2rg.runtime.third_party import import_transformers

_NAME = "reg2rg_packed"


@contextlib.contextmanager
def packed_attention_in(causal_lm: nn.Module) -> Iterator[None]:
    """The language model attends by ``_packed_attention`` within the block, and as before after it."""
    before = causal_lm.config._attn_implementation
    causal_lm.config._attn_implementation = _NAME
    try:
        yield
    finally:
        causal_lm.config._attn_implementation = before


def _packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Scaled-dot-product attention of (1, heads, Q, d) queries on (1, key heads, K, d) under a (1, 1, Q, K) mask.

    Query heads that share a key head are laid behind one another as more queries of it, so the cache is read once.
    transformers repeats it for each query head instead, whenever Q > 1.
    """
    _, heads, queries, width = query.shape
    groups = heads // key.shape[1]
    grouped = query.reshape(1, key.shape[1], groups * queries, width)
    mask = attention_mask.repeat(1, 1, groups, 1)
    out = F.scaled_dot_product_attention(grouped, key, value, attn_mask=mask, scale=scaling)
    return out.reshape(1, heads, queries, width).transpose(1, 2), None


import_transformers().AttentionInterface.register(_NAME, _packed_attention)


TOKENS_AT_A_TIME = 256
"""By how much a buffer grows. What transformers' own cache does instead, copying all keys at every token, costs more
than the attention itself."""


class KeyValueCache:
    """Keys and values of the packed tokens, (1, heads, tokens, head width) per layer.

    Stands where transformers expects a cache. ``length`` counts the tokens that all layers have seen.
    """

    def __init__(self) -> None:
        self.length = 0
        self._buffers: dict[int, Tensor] = {}

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Append new keys and values of one layer; returns all of that layer."""
        end = self.length + keys.shape[2]
        buffer = self._with_room(layer, keys, end)
        buffer[0, :, self.length : end] = keys[0]
        buffer[1, :, self.length : end] = values[0]
        return buffer[0:1, :, :end], buffer[1:2, :, :end]

    def truncate(self, length: int) -> None:
        """Forget all tokens after the first ``length``."""
        self.length = min(self.length, length)

    def _with_room(self, layer: int, like: Tensor, tokens: int) -> Tensor:
        buffer = self._buffers.get(layer)
        if buffer is None or buffer.shape[2] < tokens:
            capacity = -(-tokens // TOKENS_AT_A_TIME) * TOKENS_AT_A_TIME
            grown = like.new_empty(2, like.shape[1], capacity, like.shape[3])
            if buffer is not None:
                grown[:, :, : self.length] = buffer[:, :, : self.length]
            self._buffers[layer] = buffer = grown
        return buffer


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
