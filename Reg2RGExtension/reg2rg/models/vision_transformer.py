"""3-D vision transformer: a crop of the volume, or a mask, becomes tokens (RadFM's ViT; reference A.1).

Module names are those of the published checkpoint, so its tensors load by name.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reg2rg.models.config import Size, VisionConfig


class LearnedPositions(nn.Module):
    """Three tables (row, column, depth), each a third of the width, concatenated (RadFM, reference A.1).

    For n tokens out of a table of P entries the entries (i + 1) * (P // n) - 1 are picked, not interpolated.
    """

    def __init__(self, table: Size, dim: int) -> None:
        super().__init__()
        self.row_embed, self.col_embed, self.dep_embed = (nn.Embedding(size, dim // 3) for size in table)
        for embedding in (self.row_embed, self.col_embed, self.dep_embed):
            nn.init.uniform_(embedding.weight)

    def forward(self, grid: Size) -> Tensor:
        """Codes of a token grid: (h * w * d, dim), row-major."""
        tables = (self.row_embed, self.col_embed, self.dep_embed)
        codes = [_strided_pick(embedding.weight, n) for embedding, n in zip(tables, grid, strict=True)]
        return _on_grid(codes, grid)


class SinePositions(nn.Module):
    """Fixed sines and cosines of the token's place in the crop (0 to 1 along each axis). Not in the paper."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        if dim % 6:
            raise ValueError(f"sine positions need a width divisible by 6, got {dim}")
        self.frequencies = dim // 6

    def forward(self, grid: Size) -> Tensor:
        """Codes of a token grid: (h * w * d, dim), row-major, float32 on the CPU."""
        scales = math.pi * 2.0 ** torch.linspace(0, 5, self.frequencies)
        codes = []
        for n in grid:
            angles = ((torch.arange(n) + 0.5) / n)[:, None] * scales
            codes.append(torch.cat([angles.sin(), angles.cos()], dim=1))
        return _on_grid(codes, grid)


def _strided_pick(table: Tensor, n: int) -> Tensor:
    stride = table.shape[0] // n
    if stride == 0:
        raise ValueError(f"{n} tokens along an axis, but the position table has only {table.shape[0]} entries")
    return table[stride - 1 :: stride][:n]


def _on_grid(codes: list[Tensor], grid: Size) -> Tensor:
    h, w, d = grid
    row, column, depth = codes
    return torch.cat(
        [
            row[:, None, None].expand(h, w, d, -1),
            column[None, :, None].expand(h, w, d, -1),
            depth[None, None, :].expand(h, w, d, -1),
        ],
        dim=-1,
    ).reshape(h * w * d, -1)


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


class PyramidStem(nn.Module):
    """Convolutions that halve the grid step by step down to the patch grid, a residual block at each scale.

    Not in the paper. The first step gathers the voxels of each 2 x 2 x 2 block in channels, so that nothing small is
    averaged away before it has been seen.

    Attributes:
        widths: channels of each scale, the finest first; the last is the transformer's.
    """

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        if set(config.patch_size) != {8}:
            raise ValueError(f"the pyramid stem makes patches of 8 x 8 x 8 voxels, got {config.patch_size}")
        self.windows = config.windows
        self.gather = Patchify((2, 2, 2), 1)
        self.widths = (max(config.dim // 8, 8), config.dim // 3, config.dim)
        channels = 8 * (1 + len(config.windows))
        strides = (1, 2, 2)
        self.downs, self.blocks = nn.ModuleList(), nn.ModuleList()
        for width, stride in zip(self.widths, strides, strict=True):
            self.downs.append(nn.Sequential(nn.Conv3d(channels, width, 3, stride, padding=1), nn.GroupNorm(1, width)))
            self.blocks.append(residual_block(width) if width != config.dim else nn.Identity())
            channels = width

    def pyramid(self, volumes: Tensor) -> list[Tensor]:
        """Volumes (B, H, W, D) in [-1, 1] to features (B, width, H / 2^k, W / 2^k, D / 2^k) of each scale, k from 1."""
        x = self._gathered(volumes)
        features = []
        for down, block in zip(self.downs, self.blocks, strict=True):
            x = nn.functional.silu(down(x))
            x = x + block(x) if not isinstance(block, nn.Identity) else x
            features.append(x)
        return features

    def forward(self, volumes: Tensor) -> Tensor:
        """Volumes (B, H, W, D) to tokens (B, N, dim)."""
        return self.pyramid(volumes)[-1].flatten(2).transpose(1, 2)

    def _gathered(self, volumes: Tensor) -> Tensor:
        """(B, 8 x channels, H / 2, W / 2, D / 2): the volume and its windows, each in [-1, 1]."""
        grid = [n // 2 for n in volumes.shape[1:]]
        views = [volumes]
        for low, high in self.windows:
            views.append(((volumes - low) * (2 / (high - low)) - 1).clamp(-1, 1))
        gathered = torch.cat([self.gather(view) for view in views], dim=-1)
        return gathered.reshape(len(volumes), *grid, -1).permute(0, 4, 1, 2, 3)  # channels last in memory


def residual_block(width: int) -> nn.Module:
    """What a block adds to its input (B, width, H, W, D)."""
    return nn.Sequential(nn.Conv3d(width, width, 3, padding=1), nn.GroupNorm(1, width), nn.SiLU())


def build_stem(config: VisionConfig) -> nn.Sequential:
    """The stem a config names; numbered as in the published checkpoint."""
    if config.stem == "pyramid":
        return nn.Sequential(PyramidStem(config), nn.LayerNorm(config.dim))
    p1, p2, p3 = config.patch_size
    flat = p1 * p2 * p3 * config.channels
    patchify = Patchify(config.patch_size, config.channels)
    return nn.Sequential(patchify, nn.LayerNorm(flat), nn.Linear(flat, config.dim), nn.LayerNorm(config.dim))


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
