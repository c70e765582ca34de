"""Cues: findings of a region told to the language model, one token each, behind the region's own tokens.

Not in the paper (design/frontier.md, "cue prompting"). A cue is a sum of learned embeddings: which finding, how
probable in steps, and where the finding is likely its side, level and size. What is improbable is told, too: so a user,
or the head, can say that something is not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from reg2rg.models.config import FindingConfig
from reg2rg.models.finding_head import LEVELS, SIDES

PROBABILITY_STEPS = 8
TOLD_FROM = 0.5
"""Probability from which a cue tells side, level and size."""


@dataclass(frozen=True)
class Cues:
    """What is told of B regions, all findings each.

    Attributes:
        probability: (B, F) in [0, 1].
        side, level: (B, F) indices in SIDES and LEVELS.
        size_mm: (B, F), 0 where there is none.
        weight: (B, F), above 0 where a cue is to be told before others, whatever its probability: a user's word.
    """

    probability: Tensor
    side: Tensor
    level: Tensor
    size_mm: Tensor
    weight: Tensor

    def rows(self, which: slice | Tensor) -> Cues:
        """Those of some regions."""
        return Cues(*(getattr(self, field.name)[which] for field in fields(self)))

    def to(self, device: torch.device) -> Cues:
        """These on a device."""
        return Cues(*(getattr(self, field.name).to(device) for field in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[Cues]) -> Cues:
        """Those of several groups of regions, one after another."""
        return cls(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(cls)))


class CueEncoder(nn.Module):
    """Cues to tokens of the language model."""

    def __init__(self, config: FindingConfig, width: int) -> None:
        super().__init__()
        if config.cues > len(config.labels):
            raise ValueError(f"{config.cues} cues, but only {len(config.labels)} findings to tell of")
        self.count = config.cues
        self.edges = config.size_edges
        self.labels = nn.Embedding(len(config.labels), width)
        self.steps = nn.Embedding(PROBABILITY_STEPS, width)
        self.sides = nn.Embedding(len(SIDES), width)
        self.levels = nn.Embedding(len(LEVELS), width)
        self.sizes = nn.Embedding(len(config.size_edges) + 2, width)  # 0: none
        self.silence = nn.Parameter(torch.randn(config.cues, width))
        for embedding in (self.labels, self.steps, self.sides, self.levels, self.sizes):
            nn.init.normal_(embedding.weight, std=0.5)

    def forward(self, cues: Cues) -> Tensor:
        """The cues worth telling, the most probable first: (B, cues, width)."""
        chosen = (cues.probability + 2 * cues.weight).topk(self.count, dim=1).indices
        probability, side, level, size = (
            values.gather(1, chosen) for values in (cues.probability, cues.side, cues.level, cues.size_mm)
        )
        likely = probability > TOLD_FROM
        step = (probability * PROBABILITY_STEPS).long().clamp(0, PROBABILITY_STEPS - 1)
        bins = torch.where(size > 0, torch.bucketize(size.contiguous(), size.new_tensor(self.edges)) + 1, 0)
        return (
            self.labels(chosen)
            + self.steps(step)
            + self.sides(torch.where(likely, side, 0))
            + self.levels(torch.where(likely, level, 0))
            + self.sizes(torch.where(likely, bins, 0))
        )

    def silent(self, regions: int) -> Tensor:
        """Tokens that tell nothing: (regions, cues, width)."""
        return self.silence.expand(regions, -1, -1)
