"""Cues: findings of a region passed to the language model, one token each, after the region's own tokens.

Not in the paper; see docs/method.md. A cue is a sum of learned embeddings: the label, its probability in bins and, if
the finding is likely, its side, level and size. Improbable findings are passed as well, so that the head or a reviewer
can state that a finding is absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from reg2rg.models.config import FindingConfig
from reg2rg.models.finding_head import LEVELS, SIDES

PROBABILITY_BINS = 8
"""Number of equal bins that probabilities from 0 to 1 are sorted into."""

ATTRIBUTE_THRESHOLD = 0.5
"""Probability above which a cue includes side, level and size."""


@dataclass(frozen=True)
class Cues:
    """Statements about all F findings of B regions.

    Attributes:
        probability: (B, F) probabilities in [0, 1].
        side: (B, F) indices into SIDES.
        level: (B, F) indices into LEVELS.
        size_mm: (B, F) sizes in mm; 0 where there is none.
        priority: (B, F); cues above 0 are passed before others regardless of their probability, such as a reviewer's
            corrections.
        scalars: (B, 2 S), the region's scalars.
    """

    probability: Tensor
    side: Tensor
    level: Tensor
    size_mm: Tensor
    priority: Tensor
    scalars: Tensor

    def select(self, regions: slice | Tensor) -> Cues:
        """Return the cues of the selected regions, given as a slice or as indices."""
        return Cues(*(getattr(self, field.name)[regions] for field in fields(self)))

    def to(self, device: torch.device) -> Cues:
        """Return the cues on a device."""
        return Cues(*(getattr(self, field.name).to(device) for field in fields(self)))

    @classmethod
    def concatenate(cls, parts: Sequence[Cues]) -> Cues:
        """Concatenate cues of several groups of regions."""
        return cls(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(cls)))


class CueEncoder(nn.Module):
    """Maps cues to tokens of the language model."""

    def __init__(self, config: FindingConfig, width: int) -> None:
        """Initialize random embeddings.

        Args:
            config: labels, number of cues and size bins.
            width: width of the language model.

        Raises:
            ValueError: the config asks for more cues than it has labels.
        """
        super().__init__()
        if config.cues > len(config.labels):
            raise ValueError(f"{config.cues} cues requested, but there are only {len(config.labels)} findings")
        self.num_cues = config.cues
        self.size_edges = config.size_edges
        self.label_embedding = nn.Embedding(len(config.labels), width)
        self.probability_embedding = nn.Embedding(PROBABILITY_BINS, width)
        self.side_embedding = nn.Embedding(len(SIDES), width)
        self.level_embedding = nn.Embedding(len(LEVELS), width)
        self.size_embedding = nn.Embedding(len(config.size_edges) + 2, width)  # index 0: no size
        self.scalar_projection = nn.Linear(2 * len(config.scalars), width) if config.scalars else None
        self.null_tokens = nn.Parameter(torch.randn(config.cues, width))
        for embedding in (
            self.label_embedding,
            self.probability_embedding,
            self.side_embedding,
            self.level_embedding,
            self.size_embedding,
        ):
            nn.init.normal_(embedding.weight, std=0.5)

    def forward(self, cues: Cues) -> Tensor:
        """Encode the cues with the highest priority and probability.

        Args:
            cues: cues of B regions.

        Returns:
            Tokens (B, cues, width), in descending order of priority and probability.
        """
        chosen = (cues.probability + 2 * cues.priority).topk(self.num_cues, dim=1).indices
        probability, side, level, size = (
            values.gather(1, chosen) for values in (cues.probability, cues.side, cues.level, cues.size_mm)
        )
        likely = probability > ATTRIBUTE_THRESHOLD
        probability_bin = (probability * PROBABILITY_BINS).long().clamp(0, PROBABILITY_BINS - 1)
        edges = size.new_tensor(self.size_edges)
        size_bin = torch.where(size > 0, torch.bucketize(size.contiguous(), edges) + 1, 0)
        tokens = (
            self.label_embedding(chosen)
            + self.probability_embedding(probability_bin)
            + self.side_embedding(torch.where(likely, side, 0))
            + self.level_embedding(torch.where(likely, level, 0))
            + self.size_embedding(torch.where(likely, size_bin, 0))
        )
        if self.scalar_projection is None:
            return tokens
        return tokens + self.scalar_projection(cues.scalars.to(tokens.dtype))[:, None]

    def null_cues(self, regions: int) -> Tensor:
        """Return the learned tokens (regions, cues, width) that stand for "no cues given"."""
        return self.null_tokens.expand(regions, -1, -1)
