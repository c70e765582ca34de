"""Perceiver resampler: reduce any number of vision tokens to a few latents.

Introduced by Flamingo (Alayrac et al., 2022, https://arxiv.org/abs/2204.14198); Reg2RG takes it from RadFM (Wu et al.,
2023, https://arxiv.org/abs/2308.02463). Module names are those of the published checkpoint.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reg2rg.models.config import PerceiverConfig


class PerceiverResampler(nn.Module):
    """Maps vision tokens (B, N, dim) to latents (B, latents, dim)."""

    def __init__(self, dim: int, config: PerceiverConfig) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.randn(config.latents, dim))
        self.layers = nn.ModuleList(
            nn.ModuleList([PerceiverAttention(dim, config), _feed_forward(dim, config.ff_mult)])
            for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Resample vision tokens (B, N, dim) to latents (B, latents, dim)."""
        latents = self.latents.expand(tokens.shape[0], -1, -1)
        for layer in self.layers:
            attention, feed_forward = cast(nn.ModuleList, layer)
            latents = latents + attention(tokens, latents)
            latents = latents + feed_forward(latents)
        return self.norm(latents)


class PerceiverAttention(nn.Module):
    """Attention of the latents to the vision tokens and to themselves, without biases."""

    def __init__(self, dim: int, config: PerceiverConfig) -> None:
        super().__init__()
        inner = config.heads * config.dim_head
        self.heads = config.heads
        self.norm_media = nn.LayerNorm(dim)
        self.norm_latents = nn.LayerNorm(dim)
        self.to_q = nn.Linear(dim, inner, bias=False)
        self.to_kv = nn.Linear(dim, 2 * inner, bias=False)
        self.to_out = nn.Linear(inner, dim, bias=False)

    def forward(self, tokens: Tensor, latents: Tensor) -> Tensor:
        """Return the update (B, latents, dim) of latents (B, latents, dim) that attend to tokens (B, N, dim)."""
        latents = self.norm_latents(latents)
        context = torch.cat([self.norm_media(tokens), latents], dim=1)  # (B, N + latents, dim)
        keys, values = self.to_kv(context).chunk(2, dim=-1)
        q, k, v = (self._split_heads(x) for x in (self.to_q(latents), keys, values))
        out = F.scaled_dot_product_attention(q, k, v)
        return self.to_out(out.transpose(1, 2).flatten(2))

    def _split_heads(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)  # (B, heads, N, dim_head)


def _feed_forward(dim: int, mult: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(dim), nn.Linear(dim, dim * mult, bias=False), nn.GELU(), nn.Linear(dim * mult, dim, bias=False)
    )
