"""A packed sequence: the prompts, and all texts that continue them, in one sequence with one key-value cache.

Several texts can continue one prompt without a copy of its keys and values. Their tokens are stored one after another,
each with its position in its own text, and an attention mask lets a token attend only to tokens of its own text. A step
for ten texts is then one forward pass over ten tokens, which reads the weights and the prompt only once.
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

BUFFER_STEP = 256
"""Number of tokens by which a buffer of the key-value cache grows. The transformers cache copies all keys for every
token, which costs more than the attention itself."""

ALL_TEXTS = (1 << 62) - 1
"""The bits of all texts: tokens that every text attends to."""

_ATTENTION_NAME = "reg2rg_packed"


@dataclass(frozen=True)
class Tokens:
    """Tokens to append to a packed sequence.

    Attributes:
        embeddings: (N, width).
        positions: position of each token in its text.
        text_bits: the texts that each token belongs to, one bit per text (at most 62). A token attends to the earlier
            tokens that belong to all of its texts.
    """

    embeddings: Tensor
    positions: Sequence[int]
    text_bits: Sequence[int]


class PackedSequence:
    """The tokens that a language model has processed, and the texts they belong to."""

    def __init__(self, causal_lm: nn.Module) -> None:
        self._causal_lm = causal_lm
        self._cache = KeyValueCache()
        self._text_bits = torch.empty(0, dtype=torch.long)

    def __len__(self) -> int:
        return self._cache.length

    def append(self, tokens: Tokens, logit_indices: Sequence[int] = ()) -> Tensor:
        """Run the language model over new tokens.

        Args:
            tokens: the new tokens.
            logit_indices: indices of the new tokens whose logits are needed.

        Returns:
            Float32 logits, (len(logit_indices), vocabulary).
        """
        new = torch.tensor(tokens.text_bits, dtype=torch.long)
        text_bits = torch.cat([self._text_bits, new])
        device = tokens.embeddings.device
        with _packed_attention_in(self._causal_lm):
            logits = self._causal_lm(
                inputs_embeds=tokens.embeddings[None],
                attention_mask=attention_mask(text_bits, new, tokens.embeddings.dtype)[None].to(device),
                position_ids=torch.tensor([tokens.positions], device=device),
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=torch.tensor(logit_indices, dtype=torch.long, device=device),
            ).logits[0]
        # Update only now, so that a pass that runs out of memory leaves the sequence unchanged.
        self._text_bits = text_bits
        self._cache.length = len(text_bits)
        return logits.float()

    def hide(self, start: int, end: int) -> None:
        """Exclude the tokens ``start`` to ``end`` from attention."""
        self._text_bits[start:end] = 0

    def truncate(self, length: int) -> None:
        """Remove all tokens after the first ``length``."""
        self._cache.truncate(length)
        self._text_bits = self._text_bits[:length]


class KeyValueCache:
    """Keys and values of the packed tokens, (1, heads, tokens, head width) per layer, written in place.

    Replaces the transformers cache.

    Attributes:
        length: number of tokens that all layers have processed.
    """

    def __init__(self) -> None:
        self.length = 0
        self._buffers: dict[int, Tensor] = {}

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Append keys and values of one layer, and return all of that layer."""
        end = self.length + keys.shape[2]
        buffer = self._reserve(layer, keys, end)
        buffer[0, :, self.length : end] = keys[0]
        buffer[1, :, self.length : end] = values[0]
        return buffer[0:1, :, :end], buffer[1:2, :, :end]

    def truncate(self, length: int) -> None:
        """Remove all tokens after the first ``length``."""
        self.length = min(self.length, length)

    def _reserve(self, layer: int, like: Tensor, tokens: int) -> Tensor:
        """Return a buffer of a layer, (2, heads, capacity, head width), with room for ``tokens`` tokens."""
        buffer = self._buffers.get(layer)
        if buffer is None or buffer.shape[2] < tokens:
            capacity = -(-tokens // BUFFER_STEP) * BUFFER_STEP
            grown = like.new_empty(2, like.shape[1], capacity, like.shape[3])
            if buffer is not None:
                grown[:, :, : self.length] = buffer[:, :, : self.length]
            self._buffers[layer] = buffer = grown
        return buffer


def attention_mask(text_bits: Tensor, new: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the additive attention mask of new tokens.

    Args:
        text_bits: (tokens,) the texts of all tokens, the new ones last.
        new: (new,) the texts of the new tokens.
        dtype: dtype of the mask.

    Returns:
        (1, new, tokens): 0 where a token attends to itself or to an earlier token that belongs to all of its texts, the
        lowest value of the dtype elsewhere.
    """
    visible = (text_bits & new[:, None]) == new[:, None]
    order = torch.arange(len(text_bits))
    visible &= order <= order[len(text_bits) - len(new) :, None]
    return torch.zeros(visible.shape, dtype=dtype).masked_fill_(~visible, torch.finfo(dtype).min)[None]


@contextlib.contextmanager
def _packed_attention_in(causal_lm: Any) -> Iterator[None]:
    """Make the language model use ``_packed_attention`` within the block."""
    before = causal_lm.config._attn_implementation
    causal_lm.config._attn_implementation = _ATTENTION_NAME
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
    """Compute scaled-dot-product attention of (1, heads, Q, d) on (1, key heads, K, d) under a (1, 1, Q, K) mask.

    Query heads that share a key head become additional queries of it, so the cache is read once. transformers repeats
    the cache for each query head whenever Q > 1.
    """
    heads, queries, width = query.shape[1:]
    groups = heads // key.shape[1]
    grouped = query.reshape(1, key.shape[1], groups * queries, width)
    mask = attention_mask.repeat(1, 1, groups, 1)
    output = F.scaled_dot_product_attention(grouped, key, value, attn_mask=mask, scale=scaling)
    return output.reshape(1, heads, queries, width).transpose(1, 2), None


import_transformers().AttentionInterface.register(_ATTENTION_NAME, _packed_attention)
