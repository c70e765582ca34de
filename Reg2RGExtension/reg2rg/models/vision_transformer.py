"""3-D vision transformer: turn a crop of the volume, or a mask, into tokens.

The architecture is that of RadFM (Wu et al., 2023, https://arxiv.org/abs/2308.02463), which Reg2RG uses for textures,
masks and the whole volume (paper, section III-B). Module names are those of the published checkpoint, so its tensors
load by name.
"""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reg2rg.models.config import Size, VisionConfig


class VisionTransformer(nn.Module):
    """Maps one-channel volumes (B, H, W, D) to tokens (B, N, dim), N in row-major order of the patch grid."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.patch_size = config.patch_size
        self.to_patch_embedding = build_stem(config)
        if config.positions == "sine":
            self.pos_embedding: nn.Module = SinePositions(config.dim)
        else:
            rows, columns, slices = (s // p for s, p in zip(config.table_size, config.patch_size, strict=True))
            self.pos_embedding = LearnedPositions((rows, columns, slices), config.dim)
        self.dropout = nn.Dropout(config.dropout)
        self.transformer = Transformer(config)

    @property
    def pyramid_widths(self) -> tuple[int, ...]:
        """Channels of the pyramid stem's features on grids finer than the tokens', finest first, or empty."""
        stem = self.to_patch_embedding[0]
        return stem.widths[:-1] if isinstance(stem, PyramidStem) else ()

    def grid(self, volumes: Tensor) -> Size:
        """Return the number of tokens along each axis of volumes (B, H, W, D)."""
        h, w, d = (s // p for s, p in zip(volumes.shape[1:], self.patch_size, strict=True))
        return h, w, d

    def positions(self, volumes: Tensor) -> Tensor:
        """Return the position codes (N, dim) of the tokens of volumes (B, H, W, D)."""
        return self.pos_embedding(self.grid(volumes)).to(volumes)

    def forward(self, volumes: Tensor) -> Tensor:
        """Encode volumes (B, H, W, D) as tokens (B, N, dim)."""
        return self._transform(self.to_patch_embedding(volumes), volumes)

    def forward_pyramid(self, volumes: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Encode volumes and also return the pyramid stem's features.

        Args:
            volumes: (B, H, W, D), values in [-1, 1].

        Returns:
            Tokens (B, N, dim), and the features (B, channels, h, w, d) on each grid that is finer than the tokens',
            finest first. The list is empty without a pyramid stem.
        """
        if not self.pyramid_widths:
            return self(volumes), []
        stem, norm = self.to_patch_embedding
        *finer, coarsest = cast(PyramidStem, stem).features(volumes)
        return self._transform(norm(coarsest.flatten(2).transpose(1, 2)), volumes), finer

    def _transform(self, embedded: Tensor, volumes: Tensor) -> Tensor:
        return self.transformer(self.dropout(embedded + self.positions(volumes)))


def build_stem(config: VisionConfig) -> nn.Sequential:
    """Build the stem that a config specifies; its modules are numbered as in the published checkpoint."""
    if config.stem == "pyramid":
        return nn.Sequential(PyramidStem(config), nn.LayerNorm(config.dim))
    flat = math.prod(config.patch_size) * config.channels
    patchify = Patchify(config.patch_size, config.channels)
    return nn.Sequential(patchify, nn.LayerNorm(flat), nn.Linear(flat, config.dim), nn.LayerNorm(config.dim))


class Patchify(nn.Module):
    """Cuts volumes into flat patches and repeats their one channel."""

    def __init__(self, patch_size: Size, channels: int) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.channels = channels

    def forward(self, volumes: Tensor) -> Tensor:
        """Cut volumes (B, H, W, D) into patches (B, N, p1 * p2 * p3 * channels), channels varying fastest."""
        (p1, p2, p3), (b, h, w, d) = self.patch_size, volumes.shape
        patches = volumes.reshape(b, h // p1, p1, w // p2, p2, d // p3, p3).permute(0, 1, 3, 5, 2, 4, 6)
        patches = patches.reshape(b, -1, p1 * p2 * p3, 1)
        return patches.expand(-1, -1, -1, self.channels).flatten(2)


class PyramidStem(nn.Module):
    """Convolutions that halve the grid step by step down to the patch grid, with a residual block at each scale.

    Not in the paper. The first step rearranges each 2 x 2 x 2 block of voxels into channels (space to depth), so that
    nothing small is averaged away.

    Attributes:
        widths: channels at each scale, finest first; the last is the transformer's width.

    Raises:
        ValueError: the patch size is not 8 x 8 x 8.
    """

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        if set(config.patch_size) != {8}:
            raise ValueError(f"the pyramid stem requires patches of 8 x 8 x 8 voxels, got {config.patch_size}")
        self.windows = config.windows
        self.space_to_depth = Patchify((2, 2, 2), 1)
        self.widths = (max(config.dim // 8, 8), config.dim // 3, config.dim)
        channels = 8 * (1 + len(config.windows))
        strides = (1, 2, 2)
        self.downs, self.blocks = nn.ModuleList(), nn.ModuleList()
        for width, stride in zip(self.widths, strides, strict=True):
            self.downs.append(nn.Sequential(nn.Conv3d(channels, width, 3, stride, padding=1), nn.GroupNorm(1, width)))
            self.blocks.append(residual_block(width) if width != config.dim else nn.Identity())
            channels = width

    def forward(self, volumes: Tensor) -> Tensor:
        """Embed volumes (B, H, W, D) as tokens (B, N, dim)."""
        return self.features(volumes)[-1].flatten(2).transpose(1, 2)

    def features(self, volumes: Tensor) -> list[Tensor]:
        """Compute the features at each scale.

        Args:
            volumes: (B, H, W, D), values in [-1, 1].

        Returns:
            Features (B, width, H / 2^k, W / 2^k, D / 2^k) for k = 1, 2, 3.
        """
        x = self._input_channels(volumes)
        features = []
        for down, block in zip(self.downs, self.blocks, strict=True):
            x = F.silu(down(x))
            x = x if isinstance(block, nn.Identity) else x + block(x)
            features.append(x)
        return features

    def _input_channels(self, volumes: Tensor) -> Tensor:
        """Return the volume and its windows, rearranged to (B, 8 * channels, H / 2, W / 2, D / 2)."""
        grid = [n // 2 for n in volumes.shape[1:]]
        views = [volumes]
        for low, high in self.windows:
            views.append(((volumes - low) * (2 / (high - low)) - 1).clamp(-1, 1))
        patches = torch.cat([self.space_to_depth(view) for view in views], dim=-1)
        return patches.reshape(len(volumes), *grid, -1).permute(0, 4, 1, 2, 3)  # channels last in memory


def residual_block(width: int) -> nn.Module:
    """Build the residual branch of a block: (B, width, H, W, D) to the same shape, to be added to its input."""
    return nn.Sequential(nn.Conv3d(width, width, 3, padding=1), nn.GroupNorm(1, width), nn.SiLU())


class LearnedPositions(nn.Module):
    """Learned position codes: one table per axis, each a third of the width, concatenated (RadFM).

    A grid with n tokens along an axis of a table with P entries uses entries (i + 1) * (P // n) - 1, without
    interpolation.
    """

    def __init__(self, table: Size, dim: int) -> None:
        super().__init__()
        self.row_embed, self.col_embed, self.dep_embed = (nn.Embedding(size, dim // 3) for size in table)
        for embedding in (self.row_embed, self.col_embed, self.dep_embed):
            nn.init.uniform_(embedding.weight)

    def forward(self, grid: Size) -> Tensor:
        """Return the codes (h * w * d, dim) of a token grid (h, w, d), row-major."""
        tables = (self.row_embed, self.col_embed, self.dep_embed)
        return _combine_axes([_pick_strided(table.weight, n) for table, n in zip(tables, grid, strict=True)], grid)


class SinePositions(nn.Module):
    """Fixed position codes: sines and cosines of the position in the crop, 0 to 1 along each axis. Not in the paper."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        if dim % 6:
            raise ValueError(f"sine positions require a width divisible by 6, got {dim}")
        self.frequencies = dim // 6

    def forward(self, grid: Size) -> Tensor:
        """Return the codes (h * w * d, dim) of a token grid (h, w, d), row-major, as float32 on the CPU."""
        scales = math.pi * 2.0 ** torch.linspace(0, 5, self.frequencies)
        codes = []
        for n in grid:
            angles = ((torch.arange(n) + 0.5) / n)[:, None] * scales
            codes.append(torch.cat([angles.sin(), angles.cos()], dim=1))
        return _combine_axes(codes, grid)


def _pick_strided(table: Tensor, n: int) -> Tensor:
    stride = table.shape[0] // n
    if stride == 0:
        raise ValueError(f"{n} tokens along an axis, but the position table has only {table.shape[0]} entries")
    return table[stride - 1 :: stride][:n]


def _combine_axes(codes: list[Tensor], grid: Size) -> Tensor:
    """Concatenate the codes (n, dim / 3) of each axis for every token of a grid: (h * w * d, dim)."""
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


class Transformer(nn.Module):
    """Pre-norm transformer blocks without a final norm."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.ModuleList([PreNorm(config.dim, Attention(config)), PreNorm(config.dim, FeedForward(config))])
            for _ in range(config.depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Transform tokens (B, N, dim)."""
        for layer in self.layers:
            attention, feed_forward = cast(nn.ModuleList, layer)
            x = x + attention(x)
            x = x + feed_forward(x)
        return x


class PreNorm(nn.Module):
    """Applies LayerNorm, then the wrapped module."""

    def __init__(self, dim: int, fn: nn.Module) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fn = fn

    def forward(self, x: Tensor) -> Tensor:
        """Transform tokens (B, N, dim)."""
        return self.fn(self.norm(x))


class Attention(nn.Module):
    """Multi-head self-attention; queries, keys and values come from one projection without bias."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        inner = config.heads * config.dim_head
        self.heads = config.heads
        self.dropout = config.dropout
        self.to_qkv = nn.Linear(config.dim, 3 * inner, bias=False)
        self.to_out = nn.Sequential(nn.Linear(inner, config.dim), nn.Dropout(config.dropout))

    def forward(self, x: Tensor) -> Tensor:
        """Transform tokens (B, N, dim)."""
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
        """Transform tokens (B, N, dim)."""
        return self.net(x)
