"""The finding head: what a region shows, how probable it is, and where (detect first, word it afterwards).

Not in the paper: the field learned after it that the text loss alone does not teach a model to look. One learned query
per finding reads the region's vision tokens before the perceiver sees them. Labels read out of the region's text are
enough to train it; where findings have masks, the finding map guides where it looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reg2rg.models.config import FindingConfig, Size
from reg2rg.models.vision_transformer import residual_block

USUAL_LOGIT = 4.0
"""Of "no finding" before training: most cells show nothing, which need not be learned first."""


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
        with torch.no_grad():
            self.logits.bias[0] += USUAL_LOGIT

    def forward(self, tokens: Tensor, grid: Size, finer: Sequence[Tensor]) -> Tensor:
        """Log-probabilities (B, F + 1, h', w', d') from tokens (B, N, dim) and finer features (B, C, h, w, d) each.

        Class 0 is "no finding"; class n + 1 is finding n.
        """
        x = self.norm(tokens).reshape(len(tokens), *grid, -1)
        for up, block, features in zip(self.ups, self.blocks, reversed(finer), strict=True):
            x = F.interpolate(up(x).permute(0, 4, 1, 2, 3), scale_factor=2) + features
            x = (x + block(x)).permute(0, 2, 3, 4, 1)
        return self.logits(x).float().log_softmax(-1).permute(0, 4, 1, 2, 3)


def pooled(dense: Tensor, grid: Size) -> Tensor:
    """Log-odds of every finding against none, the best of each token's cells: (B, N, findings).

    Not log-probabilities, which are all alike where a rare finding counted so much in training that they come near 1.
    """
    best = F.adaptive_max_pool3d(dense[:, 1:] - dense[:, :1], grid)
    return best.flatten(2).transpose(1, 2)


def soft_volume(dense: Tensor, voxel_mm: Tensor, texture: torch.Size) -> Tensor:
    """Cubic millimetres that each finding fills by the map's probabilities: (B, findings).

    Args:
        voxel_mm: (B, 3) size of the texture's voxels.
        texture: voxels of the texture (H, W, D).
    """
    cell = voxel_mm.prod(dim=1) * (texture.numel() / dense[0, 0].numel())
    return dense[:, 1:].exp().sum(dim=(2, 3, 4)) * cell[:, None]


SIDES = (None, "left", "right", "both")
LEVELS = (None, "upper", "middle", "lower")

MOST_LOG_ODDS = 12.0
"""Of a finding in a cell: nothing beyond is told apart, so that one cell cannot outweigh all others."""

USUAL_PLACES = [
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],  # no side
    [-5.0, 0.0, 0.0, -2.0, 0.0, 0.0],  # left
    [5.0, 0.0, 0.0, -2.0, 0.0, 0.0],  # right
    [0.0, 0.0, 0.0, 3.0, 0.0, 0.0],  # both
    [0.0, 0.0, 0.0, 0.0, 0.0, 3.0],  # no level
    [0.0, 0.0, 5.0, 0.0, 0.0, 0.0],  # upper
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],  # middle
    [0.0, 0.0, -5.0, 0.0, 0.0, 0.0],  # lower
]
"""Logits of sides and levels by mean and spread (right-left, anterior-posterior, superior-inferior; -1 to 1)."""


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
            self.told = nn.Linear(findings, dim)
        self.norm = nn.LayerNorm(dim)
        self.queries = nn.Parameter(torch.randn(findings, width) * width**-0.5)
        self.keys, self.values = nn.Linear(dim, width), nn.Linear(dim, width)
        evidence = 2 if config.dense else 0
        self.reading = nn.Sequential(
            nn.Linear(2 * width + 3 + evidence + 6, width), nn.SiLU(), nn.Linear(width, 2 + len(SIDES) + len(LEVELS))
        )
        # Where the logit and the log size begin; from the first step on the logit follows the map's evidence.
        self.usual = nn.Parameter(torch.tensor([-3.0, 2.5]).repeat(findings, 1))
        self.follow = nn.Parameter(torch.tensor([3.0, 1.0][:evidence]).repeat(findings, 1))
        # Side and level from where it looks, to begin with as any body has them: this needs no examples.
        self.places = nn.Parameter(torch.tensor(USUAL_PLACES).repeat(findings, 1, 1))

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
        dense, prior, evidence = None, 0.0, tokens.new_zeros(len(tokens), len(self.queries), 0)
        if self.map is not None:
            dense = self.map(tokens, grid, finer)
            odds = pooled(dense, grid).clamp(-MOST_LOG_ODDS, MOST_LOG_ODDS)  # (B, N, F)
            tokens = tokens + self.told(odds / 4)
            prior = odds.transpose(1, 2)
            volume = soft_volume(dense, voxel_mm, torch.Size(size))
            evidence = torch.stack([prior.amax(-1) / 4, (volume + 1).log() / 4 - 1], dim=-1)  # about -1 to 1
        media = self.norm(tokens)
        scores = torch.einsum("fw,bnw->bfn", self.queries.to(media.dtype), self.keys(media)) * self.config.width**-0.5
        attention = (scores.float() + prior).softmax(-1)
        read = attention.to(media.dtype) @ self.values(media)  # (B, F, width)
        queries = self.queries.expand(len(tokens), -1, -1)
        scale = (voxel_mm / 3).log()[:, None].expand(-1, len(self.queries), -1)
        place = _place(attention, grid)
        out = self.reading(torch.cat([read, queries, scale, evidence, place], dim=-1)).float()
        own, placed = out.split([2, len(SIDES) + len(LEVELS)], dim=-1)
        sides, levels = (placed + torch.einsum("bfp,fop->bfo", place, self.places)).split([len(SIDES), len(LEVELS)], -1)
        logit, log_size = (own + self.usual).unbind(-1)
        return FindingOutput(
            logits=logit + (evidence * self.follow).sum(-1),
            sides=sides,
            levels=levels,
            log_size=log_size,
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


def _place(attention: Tensor, grid: Size) -> Tensor:
    """Where attention (B, F, N) over the tokens of ``grid`` lies, (B, F, 6): its mean and spread along axes of -1 to 1.

    A side and a lobe are hardly more; read out of the tokens they would have to be learned finding by finding.
    """
    axes = [(torch.arange(n, device=attention.device) + 0.5) * (2 / n) - 1 for n in grid]
    places = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 3)
    mean = attention @ places
    spread = (attention @ places.square() - mean.square()).clamp(min=1e-6).sqrt()
    return torch.cat([mean, spread], dim=-1)
