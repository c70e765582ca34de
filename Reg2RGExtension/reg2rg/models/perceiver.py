"""Perceiver resampler: any number of vision tokens become a few latents (Flamingo, RadFM; reference A.1).

Module names are those of the published checkpoint, so its tensors load by name.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reg2rg.models.config import PerceiverConfig


class PerceiverResampler(nn.Module):
    """Vision tokens (B, N, dim) to latents (B, latents, dim)."""

    def __init__(self, dim: int, config: PerceiverConfig) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.randn(config.latents, dim))
        self.layers = nn.ModuleList(
            nn.ModuleList([PerceiverAttention(dim, config), _feed_forward(dim, config.ff_mult)])
            for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(dim)

    def forward(self, media: Tensor) -> Tensor:
        latents = self.latents.expand(media.shape[0], -1, -1)
        for attention, feed_forward in self.layers:
            latents = latents + attention(media, latents)
            latents = latents + feed_forward(latents)
        return self.norm(latents)


class PerceiverAttention(nn.Module):
    """Latents attend to the media tokens and to themselves; no biases."""

    def __init__(self, dim: int, config: PerceiverConfig) -> None:
        super().__init__()
        inner = config.heads * config.dim_head
        self.heads = config.heads
        self.norm_media = nn.LayerNorm(dim)
        self.norm_latents = nn.LayerNorm(dim)
        self.to_q = nn.Linear(dim, inner, bias=False)
        self.to_kv = nn.Linear(dim, 2 * inner, bias=False)
        self.to_out = nn.Linear(inner, dim, bias=False)

    def forward(self, media: Tensor, latents: Tensor) -> Tensor:
        latents = self.norm_latents(latents)
        context = torch.cat([self.norm_media(media), latents], dim=1)  # (B, N + latents, dim)
        k, v = self.to_kv(context).chunk(2, dim=-1)
        out = F.scaled_dot_product_attention(*(self._by_head(x) for x in (self.to_q(latents), k, v)))
        return self.to_out(out.transpose(1, 2).flatten(2))

    def _by_head(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)  # (B, heads, N, dim_head)


def _feed_forward(dim: int, mult: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(dim), nn.Linear(dim, dim * mult, bias=False), nn.GELU(), nn.Linear(dim * mult, dim, bias=False)
    )
