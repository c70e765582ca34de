"""Finding head: which findings a region shows, how probable each is, and where.

Not in the paper; see docs/method.md. The text loss alone does not teach a model to look at the image, so findings are
detected first and worded afterwards. One learned query per finding attends to the region's vision tokens before the
perceiver reduces them. Labels extracted from the region's text are sufficient for training; where masks of findings are
available, they supervise the finding map, which guides the attention.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reg2rg.models.config import FindingConfig, Size
from reg2rg.models.vision_transformer import residual_block

SIDES = (None, "left", "right", "both")
LEVELS = (None, "upper", "middle", "lower")

MAX_LOG_ODDS = 12.0
"""Bound of a finding's log-odds in a cell, so that one cell cannot outweigh all others."""

BACKGROUND_BIAS = 4.0
"""Initial bias of the finding map's background logit. Most cells show nothing, and this saves learning that first."""

LOCATION_PRIOR = [
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],  # no side
    [-5.0, 0.0, 0.0, -2.0, 0.0, 0.0],  # left
    [5.0, 0.0, 0.0, -2.0, 0.0, 0.0],  # right
    [0.0, 0.0, 0.0, 3.0, 0.0, 0.0],  # both
    [0.0, 0.0, 0.0, 0.0, 0.0, 3.0],  # no level
    [0.0, 0.0, 5.0, 0.0, 0.0, 0.0],  # upper
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],  # middle
    [0.0, 0.0, -5.0, 0.0, 0.0, 0.0],  # lower
]
"""Initial weights (sides and levels, 6) that map the attention's mean and standard deviation to side and level logits.

Coordinates run from -1 to 1: right-left, anterior-posterior, superior-inferior.
"""


@dataclass(frozen=True)
class FindingOutput:
    """Output of the finding head for B regions and F findings.

    Attributes:
        logits: (B, F), before division by the temperature.
        side_logits: (B, F, 4), over SIDES.
        level_logits: (B, F, 4), over LEVELS.
        log_size: (B, F), natural logarithm of the size in mm.
        attention: (B, F, N), weights over the vision tokens.
        map_log_probs: (B, F + 1, h, w, d), log-probabilities of the finding map, class 0 being "no finding"; None
            without a finding map.
        tokens: (B, N, dim), vision tokens with the finding map's evidence added.
        scalars: (B, 2 S), the scalars that the head was given.
    """

    logits: Tensor
    side_logits: Tensor
    level_logits: Tensor
    log_size: Tensor
    attention: Tensor
    map_log_probs: Tensor | None
    tokens: Tensor
    scalars: Tensor


@dataclass(frozen=True)
class Sighting:
    """What the vision transformer and the finding map show of B regions, from which the head draws its conclusions.

    Attributes:
        tokens: (B, N, dim), vision tokens with the finding map's evidence added.
        odds: (B, N, F), log-odds of each finding in each token's place; None without a finding map.
        evidence: (B, F, 2), greatest log-odds and expected volume of each finding, scaled; (B, F, 0) without a map.
        map_log_probs: (B, F + 1, h, w, d), log-probabilities of the finding map; None without one.
    """

    tokens: Tensor
    odds: Tensor | None
    evidence: Tensor
    map_log_probs: Tensor | None = None


class FindingHead(nn.Module):
    """Detects findings in regions from their vision tokens.

    Attributes:
        config: labels and sizes of the head, and the temperature.
    """

    def __init__(self, config: FindingConfig, dim: int, finer_widths: Sequence[int]) -> None:
        """Initialize random weights.

        Args:
            config: labels and sizes of the head.
            dim: width of the vision tokens.
            finer_widths: channels of the stem's finer features, finest first.
        """
        super().__init__()
        self.config = config
        findings, width = len(config.labels), config.width
        self.finding_map = FindingMap(dim, finer_widths, findings) if config.dense else None
        if config.dense:
            self.evidence_to_tokens = nn.Linear(findings, dim)
        self.norm = nn.LayerNorm(dim)
        self.queries = nn.Parameter(torch.randn(findings, width) * width**-0.5)
        self.keys, self.values = nn.Linear(dim, width), nn.Linear(dim, width)
        evidence = 2 if config.dense else 0
        self.readout = nn.Sequential(
            nn.Linear(2 * width + 3 + evidence + 6 + 2 * len(config.scalars), width),
            nn.SiLU(),
            nn.Linear(width, 2 + len(SIDES) + len(LEVELS)),
        )
        # Initial logit and log size; from the first step on, the logit follows the finding map's evidence.
        self.output_bias = nn.Parameter(torch.tensor([-3.0, 2.5]).repeat(findings, 1))
        self.evidence_weight = nn.Parameter(torch.tensor([3.0, 1.0][:evidence]).repeat(findings, 1))
        # Side and level follow from where the head attends. The prior encodes this anatomy, so it needs no examples.
        self.location_weight = nn.Parameter(torch.tensor(LOCATION_PRIOR).repeat(findings, 1, 1))

    def forward(
        self,
        tokens: Tensor,
        grid: Size,
        finer: Sequence[Tensor],
        voxel_mm: Tensor,
        texture_size: Size,
        scalars: Tensor,
    ) -> FindingOutput:
        """Detect findings in B regions.

        Args:
            tokens: (B, N, dim) vision tokens, N in row-major order of ``grid``.
            grid: number of tokens along each axis.
            finer: the stem's finer features (B, channels, h, w, d), finest first; empty without a pyramid stem.
            voxel_mm: (B, 3) voxel size of the texture in mm.
            texture_size: number of voxels of the texture along each axis.
            scalars: (B, S, 2) value of each configured scalar, and how far it is known.

        Returns:
            The head's output.
        """
        return self.conclude(self.look(tokens, grid, finer, voxel_mm, texture_size), grid, voxel_mm, scalars)

    def look(
        self, tokens: Tensor, grid: Size, finer: Sequence[Tensor], voxel_mm: Tensor, texture_size: Size
    ) -> Sighting:
        """Apply the finding map; arguments are those of ``forward``."""
        if self.finding_map is None:
            return Sighting(tokens, None, tokens.new_zeros(len(tokens), len(self.queries), 0))
        map_log_probs = self.finding_map(tokens, grid, finer)
        odds = max_pool_log_odds(map_log_probs, grid).clamp(-MAX_LOG_ODDS, MAX_LOG_ODDS)  # (B, N, F)
        tokens = tokens + self.evidence_to_tokens(odds / 4)
        volume = expected_volume(map_log_probs, voxel_mm, texture_size)
        evidence = torch.stack([odds.amax(1) / 4, (volume + 1).log() / 4 - 1], dim=-1)  # about -1 to 1
        return Sighting(tokens, odds, evidence, map_log_probs)

    def conclude(self, sighting: Sighting, grid: Size, voxel_mm: Tensor, scalars: Tensor) -> FindingOutput:
        """Draw conclusions from what was seen; arguments are those of ``forward``."""
        tokens, evidence = sighting.tokens, sighting.evidence
        attention_bias = 0.0 if sighting.odds is None else sighting.odds.transpose(1, 2)
        media = self.norm(tokens)
        scores = torch.einsum("fw,bnw->bfn", self.queries.to(media.dtype), self.keys(media)) * self.config.width**-0.5
        attention = (scores.float() + attention_bias).softmax(-1)
        attended = attention.to(media.dtype) @ self.values(media)  # (B, F, width)
        queries = self.queries.expand(len(tokens), -1, -1)
        scale = (voxel_mm / 3).log()[:, None].expand(-1, len(self.queries), -1)  # (B, F, 3)
        location = _attention_location(attention, grid)
        scalars = scalars.flatten(1).to(attended.dtype)
        known = scalars[:, None].expand(-1, len(self.queries), -1)  # (B, F, 2 S)
        features = torch.cat([attended, queries, scale, evidence, location, known], dim=-1)
        outputs, location_logits = self.readout(features).float().split([2, len(SIDES) + len(LEVELS)], dim=-1)
        location_logits = location_logits + torch.einsum("bfp,fop->bfo", location, self.location_weight)
        side_logits, level_logits = location_logits.split([len(SIDES), len(LEVELS)], dim=-1)
        logits, log_size = (outputs + self.output_bias).unbind(-1)
        return FindingOutput(
            logits=logits + (evidence * self.evidence_weight).sum(-1),
            side_logits=side_logits,
            level_logits=level_logits,
            log_size=log_size,
            attention=attention,
            map_log_probs=sighting.map_log_probs,
            tokens=tokens,
            scalars=scalars,
        )

    def probabilities(self, output: FindingOutput) -> Tensor:
        """Return calibrated probabilities (B, F)."""
        return torch.sigmoid(output.logits / self.config.temperature)

    def maps(self, output: FindingOutput, grid: Size) -> Tensor:
        """Return maps of where each finding is seen.

        Args:
            output: output for B regions.
            grid: number of tokens along each axis.

        Returns:
            Maps (B, F, h, w, d) with values in [0, 1]: the probabilities of the finding map or, without one, the
            attention divided by its maximum.
        """
        if output.map_log_probs is not None:
            return output.map_log_probs[:, 1:].exp()
        attention = output.attention / output.attention.amax(-1, keepdim=True)
        return attention.reshape(*attention.shape[:2], *grid)


class FindingMap(nn.Module):
    """Predicts the probability of each finding in each cell of the finest available grid.

    The transformer tokens carry context, and the stem's finer features carry edges. The tokens are upsampled step by
    step and the finer features are added, as in a U-Net. Without finer features, the cells are the tokens.
    """

    def __init__(self, dim: int, finer_widths: Sequence[int], findings: int) -> None:
        """Initialize random weights.

        Args:
            dim: width of the vision tokens.
            finer_widths: channels of the finer features, finest first.
            findings: number of findings.
        """
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        widths = [dim, *reversed(finer_widths)]
        self.ups = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:], strict=False))
        self.blocks = nn.ModuleList(residual_block(width) for width in widths[1:])
        self.logits = nn.Linear(widths[-1], findings + 1)
        with torch.no_grad():
            self.logits.bias[0] += BACKGROUND_BIAS

    def forward(self, tokens: Tensor, grid: Size, finer: Sequence[Tensor]) -> Tensor:
        """Predict the finding map.

        Args:
            tokens: (B, N, dim) vision tokens, N in row-major order of ``grid``.
            grid: number of tokens along each axis.
            finer: finer features (B, channels, h, w, d), finest first.

        Returns:
            Log-probabilities (B, F + 1, h, w, d). Class 0 is "no finding", class n + 1 is finding n.
        """
        x = self.norm(tokens).reshape(len(tokens), *grid, -1)
        for up, block, features in zip(self.ups, self.blocks, reversed(finer), strict=True):
            x = F.interpolate(up(x).permute(0, 4, 1, 2, 3), scale_factor=2) + features
            x = (x + block(x)).permute(0, 2, 3, 4, 1)
        return self.logits(x).float().log_softmax(-1).permute(0, 4, 1, 2, 3)


def max_pool_log_odds(map_log_probs: Tensor, grid: Size) -> Tensor:
    """Reduce the finding map to the token grid: the maximum log-odds of each finding against "no finding".

    Log-odds are used because log-probabilities saturate near 0 for rare findings, which training weights heavily.

    Args:
        map_log_probs: (B, F + 1, h, w, d) log-probabilities.
        grid: number of tokens along each axis.

    Returns:
        Log-odds (B, N, F), N in row-major order of ``grid``.
    """
    maxima = F.adaptive_max_pool3d(map_log_probs[:, 1:] - map_log_probs[:, :1], grid)
    return maxima.flatten(2).transpose(1, 2)


def expected_volume(map_log_probs: Tensor, voxel_mm: Tensor, texture_size: Size) -> Tensor:
    """Compute the expected volume of each finding under the finding map.

    Args:
        map_log_probs: (B, F + 1, h, w, d) log-probabilities.
        voxel_mm: (B, 3) voxel size of the texture in mm.
        texture_size: number of voxels of the texture along each axis.

    Returns:
        Volumes (B, F) in cubic millimeters.
    """
    cell = voxel_mm.prod(dim=1) * (math.prod(texture_size) / map_log_probs[0, 0].numel())
    return map_log_probs[:, 1:].exp().sum(dim=(2, 3, 4)) * cell[:, None]


def _attention_location(attention: Tensor, grid: Size) -> Tensor:
    """Compute the mean and standard deviation of attention weights along each axis.

    Side and level depend on little else. Inferring them from the tokens would have to be learned for each finding.

    Args:
        attention: (B, F, N) weights over the tokens, N in row-major order of ``grid``.
        grid: number of tokens along each axis.

    Returns:
        (B, F, 6): three means and three standard deviations, in coordinates from -1 to 1.
    """
    axes = [(torch.arange(n, device=attention.device) + 0.5) * (2 / n) - 1 for n in grid]
    coordinates = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 3)
    mean = attention @ coordinates
    std = (attention @ coordinates.square() - mean.square()).clamp(min=1e-6).sqrt()
    return torch.cat([mean, std], dim=-1)
