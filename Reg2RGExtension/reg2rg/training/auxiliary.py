"""Heads that exist in training only: they teach the vision transformer to look before any text is written.

The text loss alone leaves a small model at "always normal"; a finding under every token, and findings, side and level
read from a region's latents, do not (design notes, "what made the difference").
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reg2rg.models.config import ModelConfig
from reg2rg.training.cases import LEVELS, SIDES

BACKGROUND_WEIGHT = 0.3


@dataclass(frozen=True)
class RegionTargets:
    """What the auxiliary heads should say of B regions (fields as in RegionSample, stacked)."""

    tokens: Tensor
    findings: Tensor
    side: Tensor
    level: Tensor


class AuxiliaryHeads(nn.Module):
    """A finding per vision token; findings, side and level per region from its latents."""

    def __init__(self, config: ModelConfig, findings: int) -> None:
        super().__init__()
        self.findings = findings
        width = config.vision.dim
        self.dense = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, findings + 1))
        outputs = findings + len(SIDES) + len(LEVELS)
        self.region = nn.Sequential(
            nn.Linear(width * config.perceiver.latents, 256), nn.GELU(), nn.Linear(256, outputs)
        )

    def dense_loss(self, vision_tokens: Tensor, targets: RegionTargets) -> Tensor:
        """Cross-entropy of the finding under each token, background counting less."""
        weight = torch.ones(self.findings + 1)
        weight[0] = BACKGROUND_WEIGHT
        return F.cross_entropy(self.dense(vision_tokens).float().flatten(0, 1), targets.tokens.flatten(), weight=weight)

    def region_loss(self, latents: Tensor, targets: RegionTargets) -> Tensor:
        """Findings by binary cross-entropy; side and level by cross-entropy, at half weight."""
        output = self.region(latents.flatten(1)).float()
        findings, side, level = output.split([self.findings, len(SIDES), len(LEVELS)], dim=1)
        return (
            # Scaled to a sum over findings so that a rare positive is not lost among the absent ones.
            F.binary_cross_entropy_with_logits(findings, targets.findings) * self.findings / 4
            + 0.5 * F.cross_entropy(side, targets.side)
            + 0.5 * F.cross_entropy(level, targets.level)
        )
