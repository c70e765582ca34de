"""The first layers of a vision transformer: from voxels to one vector per patch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reg2rg.models.config import Size, VisionConfig


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
