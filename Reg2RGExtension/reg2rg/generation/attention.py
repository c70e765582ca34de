"""Attention over a packed sequence: many queries, grouped heads, one mask; no key is copied for the groups."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from reg2rg.torchvision_ops import declare_torchvision_ops

declare_torchvision_ops()  # before transformers, which imports torchvision where it is installed

from transformers import AttentionInterface  # noqa: E402

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


AttentionInterface.register(_NAME, _packed_attention)
