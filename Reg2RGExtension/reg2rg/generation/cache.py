"""The key-value cache: one packed sequence, kept in buffers that are written in place."""

from __future__ import annotations

from typing import Any

from torch import Tensor

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
