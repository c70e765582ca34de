"""Where a token lies: the published learned tables and a fixed sine code."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from reg2rg.models.config import Size


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
