"""The finding map: what every cell of a region's crop shows. Not in the paper."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reg2rg.models.config import Size
from reg2rg.models.stems import residual_block


class FindingMap(nn.Module):
    """Vision tokens, and what the stem saw on finer grids, to probabilities per cell of the finest of them.

    A transformer token knows its surroundings, the stem's finer features know the edges: one is added to the other on
    the way up, as in a U-Net. Without finer features the cells are the tokens'.
    """

    def __init__(self, dim: int, finer: Sequence[int], findings: int) -> None:
        """``finer``: channels of the finer features, the finest first."""
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        widths = [dim, *reversed(finer)]
        self.ups = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:], strict=False))
        self.blocks = nn.ModuleList(residual_block(width) for width in widths[1:])
        self.logits = nn.Linear(widths[-1], findings + 1)

    def forward(self, tokens: Tensor, grid: Size, finer: Sequence[Tensor]) -> Tensor:
        """Tokens (B, N, dim) of ``grid`` and finer features (B, C, h, w, d) to log-probabilities (B, F + 1, h', w', d').

        Class 0 is "no finding"; class n + 1 is finding n.
        """
        x = self.norm(tokens).reshape(len(tokens), *grid, -1)
        for up, block, features in zip(self.ups, self.blocks, reversed(finer), strict=True):
            x = F.interpolate(up(x).permute(0, 4, 1, 2, 3), scale_factor=2) + features
            x = (x + block(x)).permute(0, 2, 3, 4, 1)
        return self.logits(x).float().log_softmax(-1).permute(0, 4, 1, 2, 3)


def pooled(dense: Tensor, grid: Size) -> Tensor:
    """Log-probabilities of every class, the best of each token's cells: (B, N, findings + 1)."""
    best = F.adaptive_max_pool3d(dense, grid)
    return best.flatten(2).transpose(1, 2)


def soft_volume(dense: Tensor, voxel_mm: Tensor, texture: torch.Size) -> Tensor:
    """Cubic millimetres that each finding fills by the map's probabilities: (B, findings).

    Args:
        voxel_mm: (B, 3) size of the texture's voxels.
        texture: voxels of the texture (H, W, D).
    """
    cell = voxel_mm.prod(dim=1) * (texture.numel() / dense[0, 0].numel())
    return dense[:, 1:].exp().sum(dim=(2, 3, 4)) * cell[:, None]
