"""What the finding head saw, region by region, as the report tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from reg2rg.models.config import FindingConfig
from reg2rg.models.cue_encoder import Cues
from reg2rg.models.finding_head import LEVELS, SIDES, FindingHead, FindingOutput

MAPPED_FROM = 0.05
"""Probability below which a finding's map is not kept: it would show a place for what is not there."""


@dataclass(frozen=True)
class SeenFinding:
    """What the head says of one finding in one region.

    Attributes:
        probability: calibrated on validation cases.
        side: None, "left", "right" or "both"; level: None, "upper", "middle" or "lower".
        size_mm: None where the finding has no size.
        map: (h, w, d) in [0, 1] on a grid over the region's crop, in model axes (Crop.to_volume brings it back); None
            where the finding is not probable enough.
    """

    label: str
    probability: float
    side: str | None
    level: str | None
    size_mm: float | None
    map: Tensor | None


@dataclass(frozen=True)
class SeenRegion:
    """What the head says of one region.

    Attributes:
        findings: the most probable first.
        cues: what they tell the language model, one row.
        mean: (dim) of the region's vision tokens.
    """

    findings: tuple[SeenFinding, ...]
    cues: Cues
    mean: Tensor


def seen_regions(head: FindingHead, output: FindingOutput, grid: tuple[int, int, int]) -> list[SeenRegion]:
    """Each region of an output; ``grid``: that of its tokens."""
    config = head.config
    probabilities, maps = head.probabilities(output), head.maps(output, grid)
    cues = cues_of(config, output, probabilities)
    means, regions = output.tokens.float().mean(dim=1).cpu(), []
    for row, values in enumerate(probabilities):
        findings = []
        for index in values.argsort(descending=True).tolist():
            probability = float(values[index])
            size = float(cues.size_mm[row, index])
            findings.append(
                SeenFinding(
                    label=config.labels[index],
                    probability=probability,
                    side=SIDES[cues.side[row, index]],
                    level=LEVELS[cues.level[row, index]],
                    size_mm=size if size else None,
                    map=maps[row, index].half().cpu() if probability >= MAPPED_FROM else None,
                )
            )
        regions.append(SeenRegion(tuple(findings), cues.select(slice(row, row + 1)), means[row]))
    return regions


def cues_of(config: FindingConfig, output: FindingOutput, probabilities: Tensor) -> Cues:
    """The head's own cues of B regions: its best side, level and size, where the finding has them."""
    sided, levelled, sized = (
        torch.tensor([label in labels for label in config.labels], device=probabilities.device)
        for labels in (config.sided, config.leveled, config.sized)
    )
    return Cues(
        probability=probabilities,
        side=output.side_logits.argmax(-1) * sided,
        level=output.level_logits.argmax(-1) * levelled,
        size_mm=output.log_size.exp() * sized,
        priority=torch.zeros_like(probabilities),
    )


def corrected(config: FindingConfig, cues: Cues, said: Mapping[str, bool]) -> Cues:
    """Cues of one region after a user said of some labels whether they are there."""
    probability, weight = cues.probability.clone(), cues.priority.clone()
    for label, present in said.items():
        index = config.labels.index(label)
        probability[:, index], weight[:, index] = float(present), 1.0
    return Cues(probability, cues.side, cues.level, cues.size_mm, weight)
