"""3-D vision transformer: a crop of the volume, or a mask, becomes tokens (RadFM's ViT; reference A.1).

Module names are those of the published checkpoint, so its tensors load by name.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from reg2rg.models.config import Size, VisionConfig
from reg2rg.models.positions import LearnedPositions, SinePositions
from reg2rg.models.stems import PyramidStem, build_stem


class VisionTransformer(nn.Module):
    """One-channel volumes (B, H, W, D) to tokens (B, N, dim), N row-major over the patch grid."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.patch_size = config.patch_size
        self.to_patch_embedding = build_stem(config)
        if config.positions == "sine":
            self.pos_embedding: nn.Module = SinePositions(config.dim)
        else:
            table = tuple(s // p for s, p in zip(config.table_size, config.patch_size, strict=True))
            self.pos_embedding = LearnedPositions(table, config.dim)
        self.dropout = nn.Dropout(config.dropout)
        self.transformer = Transformer(config)

    def grid(self, volumes: Tensor) -> Size:
        """Tokens along each axis for volumes (B, H, W, D)."""
        return tuple(s // p for s, p in zip(volumes.shape[1:], self.patch_size, strict=True))

    def positions(self, volumes: Tensor) -> Tensor:
        """Position codes (N, dim) of the tokens of ``volumes``."""
        return self.pos_embedding(self.grid(volumes)).to(volumes)

    def forward(self, volumes: Tensor) -> Tensor:
        return self._transformed(self.to_patch_embedding(volumes), volumes)

    @property
    def finer_widths(self) -> tuple[int, ...]:
        """Channels of what a pyramid stem sees on finer grids than the tokens', the finest first."""
        stem = self.to_patch_embedding[0]
        return stem.widths[:-1] if isinstance(stem, PyramidStem) else ()

    def pyramid(self, volumes: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Tokens, and what a pyramid stem saw on finer grids, the finest first: (B, channels, H', W', D') each."""
        if not self.finer_widths:
            return self(volumes), []
        stem, norm = self.to_patch_embedding
        *finer, coarsest = stem.pyramid(volumes)
        return self._transformed(norm(coarsest.flatten(2).transpose(1, 2)), volumes), finer

    def _transformed(self, embedded: Tensor, volumes: Tensor) -> Tensor:
        return self.transformer(self.dropout(embedded + self.positions(volumes)))


class Transformer(nn.Module):
    """Pre-norm blocks without a final norm."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.ModuleList([PreNorm(config.dim, Attention(config)), PreNorm(config.dim, FeedForward(config))])
            for _ in range(config.depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        for attention, feed_forward in self.layers:
            x = x + attention(x)
            x = x + feed_forward(x)
        return x


class PreNorm(nn.Module):
    """LayerNorm, then the wrapped module."""

    def __init__(self, dim: int, fn: nn.Module) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fn = fn

    def forward(self, x: Tensor) -> Tensor:
        return self.fn(self.norm(x))


class Attention(nn.Module):
    """Self-attention; queries, keys and values from one projection without bias."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        inner = config.heads * config.dim_head
        self.heads = config.heads
        self.dropout = config.dropout
        self.to_qkv = nn.Linear(config.dim, 3 * inner, bias=False)
        self.to_out = nn.Sequential(nn.Linear(inner, config.dim), nn.Dropout(config.dropout))

    def forward(self, x: Tensor) -> Tensor:
        b, n, _ = x.shape
        q, k, v = self.to_qkv(x).reshape(b, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)  # each (B, heads, N, dim_head)
        x = F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout if self.training else 0.0)
        return self.to_out(x.transpose(1, 2).reshape(b, n, -1))


class FeedForward(nn.Module):
    """Two-layer perceptron with exact GELU."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(config.dim, config.mlp_dim),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.mlp_dim, config.dim),
            nn.Dropout(config.dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)
