"""3-D vision transformer: a crop of the volume, or a mask, becomes tokens (RadFM's ViT; reference A.1).

Module names are those of the published checkpoint, so its tensors load by name.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reg2rg.models.config import Size, VisionConfig
from reg2rg.models.positions import LearnedPositions, SinePositions


class VisionTransformer(nn.Module):
    """One-channel volumes (B, H, W, D) to tokens (B, N, dim), N row-major over the patch grid."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.patch_size = config.patch_size
        self.to_patch_embedding = nn.Sequential(*_STEMS[config.stem](config))
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
        tokens = self.to_patch_embedding(volumes) + self.positions(volumes)
        return self.transformer(self.dropout(tokens))


class Patchify(nn.Module):
    """(B, H, W, D) to flat patches (B, N, p1 * p2 * p3 * channels), channel fastest, all channels equal."""

    def __init__(self, patch_size: Size, channels: int) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.channels = channels

    def forward(self, volumes: Tensor) -> Tensor:
        (p1, p2, p3), (b, h, w, d) = self.patch_size, volumes.shape
        patches = volumes.reshape(b, h // p1, p1, w // p2, p2, d // p3, p3).permute(0, 1, 3, 5, 2, 4, 6)
        patches = patches.reshape(b, -1, p1 * p2 * p3, 1)
        return patches.expand(-1, -1, -1, self.channels).flatten(2)


class ConvolutionalStem(nn.Module):
    """Strided 3x3x3 convolutions down to the patch grid, beside each patch's own statistics. Not in the paper.

    The statistics (mean, spread, extremes) keep what is small and dense, such as a calcification, from being averaged
    away.
    """

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        steps = [_halvings(size) for size in config.patch_size]
        layers: list[nn.Module] = []
        width = 1
        for step in range(max(steps)):
            next_width = config.dim // 2 ** (max(steps) - 1 - step)
            stride = tuple(2 if step < n else 1 for n in steps)
            layers += [nn.Conv3d(width, next_width, 3, stride, padding=1), nn.GroupNorm(1, next_width), nn.GELU()]
            width = next_width
        self.convolutions = nn.Sequential(*layers)
        self.patches = Patchify(config.patch_size, 1)
        self.statistics = nn.Linear(4, config.dim)

    def forward(self, volumes: Tensor) -> Tensor:
        features = self.convolutions(volumes[:, None]).flatten(2).transpose(1, 2)  # (B, N, dim)
        patches = self.patches(volumes)
        statistics = torch.stack([patches.mean(-1), patches.std(-1), patches.amin(-1), patches.amax(-1)], dim=-1)
        return features + self.statistics(statistics)


def _halvings(size: int) -> int:
    if size & (size - 1):
        raise ValueError(f"the convolutional stem needs patch sizes that are powers of two, got {size}")
    return size.bit_length() - 1


def _patch_stem(config: VisionConfig) -> list[nn.Module]:
    p1, p2, p3 = config.patch_size
    flat = p1 * p2 * p3 * config.channels
    patchify = Patchify(config.patch_size, config.channels)
    return [patchify, nn.LayerNorm(flat), nn.Linear(flat, config.dim), nn.LayerNorm(config.dim)]


def _convolutional_stem(config: VisionConfig) -> list[nn.Module]:
    return [ConvolutionalStem(config), nn.LayerNorm(config.dim)]


_STEMS = {"patch": _patch_stem, "conv": _convolutional_stem}


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
