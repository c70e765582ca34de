"""The finding head: what a region shows, how probable it is, and where (detect first, word it afterwards).

Not in the paper: the field learned after it that the text loss alone does not teach a model to look. One learned query
per finding reads the region's vision tokens before the perceiver sees them. Labels read out of the region's text are
enough to train it; where findings have masks, the finding map guides where it looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reg2rg.models.config import FindingConfig, Size
from reg2rg.models.finding_map import FindingMap, pooled, soft_volume

SIDES = (None, "left", "right", "both")
LEVELS = (None, "upper", "middle", "lower")

LEAST_LOG_PROBABILITY = -12.0
"""Of a class in a cell: nothing below is told apart, so that one cell cannot outweigh all others."""


@dataclass(frozen=True)
class FindingOutput:
    """What the head says of B regions and F findings.

    Attributes:
        logits: (B, F), not yet divided by the temperature.
        sides, levels: (B, F, 4) logits over SIDES and LEVELS.
        log_size: (B, F) natural logarithm of the size in mm.
        attention: (B, F, N) weights over the vision tokens.
        dense: (B, F + 1, h, w, d) log-probabilities of the finding map, or None.
        tokens: (B, N, dim) vision tokens that know of the map.
    """

    logits: Tensor
    sides: Tensor
    levels: Tensor
    log_size: Tensor
    attention: Tensor
    dense: Tensor | None
    tokens: Tensor


class FindingHead(nn.Module):
    """Findings of regions from their vision tokens."""

    def __init__(self, config: FindingConfig, dim: int, finer: Sequence[int]) -> None:
        """``dim``: width of the vision tokens; ``finer``: channels of the stem's finer features, the finest first."""
        super().__init__()
        self.config = config
        findings, width = len(config.labels), config.width
        self.map = FindingMap(dim, finer, findings) if config.dense else None
        if config.dense:
            self.told = nn.Linear(findings + 1, dim)
        self.norm = nn.LayerNorm(dim)
        self.queries = nn.Parameter(torch.randn(findings, width) * width**-0.5)
        self.keys, self.values = nn.Linear(dim, width), nn.Linear(dim, width)
        evidence = 3 + (2 if config.dense else 0)
        self.reading = nn.Sequential(
            nn.Linear(2 * width + evidence, width), nn.SiLU(), nn.Linear(width, 2 + len(SIDES) + len(LEVELS))
        )
        # Bias, log size, and how much the map's own evidence counts: from the first step on the head follows the map.
        own = [-3.0, 2.5, 3.0, 1.0] if config.dense else [-3.0, 2.5]
        self.own = nn.Parameter(torch.tensor(own).repeat(findings, 1))

    def forward(
        self, tokens: Tensor, grid: Size, finer: Sequence[Tensor], voxel_mm: Tensor, size: Size
    ) -> FindingOutput:
        """Read B regions.

        Args:
            tokens: (B, N, dim) vision tokens of ``grid``.
            finer: the stem's finer features, the finest first; empty if it has none.
            voxel_mm: (B, 3) size of the texture's voxels, which is what makes a size in mm.
            size: voxels of the texture.
        """
        dense, evidence, prior = None, [(voxel_mm / 3).log()[:, None].expand(-1, len(self.queries), -1)], 0.0
        if self.map is not None:
            dense = self.map(tokens, grid, finer)
            best = pooled(dense, grid).clamp(min=LEAST_LOG_PROBABILITY)  # (B, N, F + 1)
            tokens = tokens + self.told(best / 4)
            prior = best[..., 1:].transpose(1, 2)
            volume = soft_volume(dense, voxel_mm, torch.Size(size))
            evidence += [(prior.amax(-1) / 4 + 1)[..., None], ((volume + 1).log() / 4 - 1)[..., None]]
        media = self.norm(tokens)
        scores = torch.einsum("fw,bnw->bfn", self.queries.to(media.dtype), self.keys(media)) * self.config.width**-0.5
        attention = (scores.float() + prior).softmax(-1)
        read = attention.to(media.dtype) @ self.values(media)  # (B, F, width)
        queries = self.queries.expand(len(tokens), -1, -1)
        out = self.reading(torch.cat([read, queries, *evidence], dim=-1)).float()
        logit, log_size, sides, levels = out.split([1, 1, len(SIDES), len(LEVELS)], dim=-1)
        own = self.own.float()
        straight = own[:, 0] + (torch.cat(evidence[1:], dim=-1).float() * own[:, 2:]).sum(-1)
        return FindingOutput(
            logits=logit[..., 0] + straight,
            sides=sides,
            levels=levels,
            log_size=log_size[..., 0] + own[:, 1],
            attention=attention,
            dense=dense,
            tokens=tokens,
        )

    def maps(self, output: FindingOutput, grid: Size) -> Tensor:
        """Where each finding is seen, (B, F, h, w, d) in [0, 1]: dense probabilities, else attention, 1 at its peak."""
        if output.dense is not None:
            return output.dense[:, 1:].exp()
        attention = output.attention / output.attention.amax(-1, keepdim=True)
        return attention.reshape(*attention.shape[:2], *grid)

    def probabilities(self, output: FindingOutput) -> Tensor:
        """Calibrated probabilities (B, F)."""
        return torch.sigmoid(output.logits / self.config.temperature)
