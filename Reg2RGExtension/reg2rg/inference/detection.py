"""Findings that the finding head detects in each region, and the cues made from them for the language model."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from reg2rg.models.config import FindingConfig, Size
from reg2rg.models.cue_encoder import Cues
from reg2rg.models.finding_head import LEVELS, SIDES, FindingHead, FindingOutput
from reg2rg.report import DETECTION_THRESHOLD, Finding

MAP_THRESHOLD = 0.05
"""Probability below which a finding's map is discarded, because it would locate something that is absent."""


@dataclass(frozen=True)
class DetectedRegion:
    """What the finding head says about one region.

    Attributes:
        findings: all findings, most probable first, not yet located.
        maps: label -> finding map, (h, w, d) in [0, 1], on a grid over the region's crop in model axes. Only findings
            that are probable enough have one. ``Crop.to_volume`` maps it back to the volume.
    """

    findings: tuple[Finding, ...]
    maps: Mapping[str, Tensor]


@dataclass(frozen=True)
class RegionDetection:
    """What the finding head says about one region, and what other parts of the model need from it.

    Attributes:
        detected: findings and finding maps.
        cues: the findings as cues for the language model, one row.
        mean_token: (dim,) mean of the region's vision tokens.
    """

    detected: DetectedRegion
    cues: Cues
    mean_token: Tensor


def detect_findings(head: FindingHead, output: FindingOutput, grid: Size) -> list[RegionDetection]:
    """Convert the finding head's output to findings.

    Args:
        head: the finding head.
        output: its output for B regions.
        grid: number of vision tokens along each axis.

    Returns:
        One item per region.
    """
    labels = head.config.labels
    probabilities, maps = head.probabilities(output), head.maps(output, grid)
    cues = cues_from_output(head.config, output, probabilities)
    mean_tokens = output.tokens.float().mean(dim=1).cpu()
    regions = []
    for row, values in enumerate(probabilities):
        order = values.argsort(descending=True).tolist()
        findings = []
        for index in order:
            size_mm = float(cues.size_mm[row, index])
            findings.append(
                Finding(
                    label=labels[index],
                    probability=float(values[index]),
                    side=SIDES[int(cues.side[row, index])],
                    level=LEVELS[int(cues.level[row, index])],
                    size_mm=size_mm if size_mm else None,
                )
            )
        region_maps = {
            labels[index]: maps[row, index].half().cpu() for index in order if float(values[index]) >= MAP_THRESHOLD
        }
        detected = DetectedRegion(tuple(findings), region_maps)
        regions.append(RegionDetection(detected, cues.select(slice(row, row + 1)), mean_tokens[row]))
    return regions


def cues_from_output(config: FindingConfig, output: FindingOutput, probabilities: Tensor) -> Cues:
    """Return the finding head's own cues.

    Args:
        config: configuration of the finding head.
        output: its output for B regions and F findings.
        probabilities: (B, F) calibrated probabilities.

    Returns:
        The most likely side, level and size of each finding, where that kind of finding has one.
    """
    sided, leveled, sized = (
        torch.tensor([label in labels for label in config.labels], device=probabilities.device)
        for labels in (config.sided, config.leveled, config.sized)
    )
    return Cues(
        probability=probabilities,
        side=output.side_logits.argmax(-1) * sided,
        level=output.level_logits.argmax(-1) * leveled,
        size_mm=output.log_size.exp() * sized,
        priority=torch.zeros_like(probabilities),
        scalars=output.scalars,
    )


def recalibrate(region: RegionDetection, scale: float) -> RegionDetection:
    """Return what the finding head says about one region with other probabilities.

    Args:
        region: what it says.
        scale: factor of the logits of the probabilities.
    """
    if scale == 1:
        return region

    def scaled(probabilities: Tensor) -> Tensor:
        return torch.sigmoid(scale * probabilities.double().logit())

    known = region.detected.findings
    values = scaled(torch.tensor([finding.probability for finding in known], dtype=torch.double)).tolist()
    findings = tuple(replace(each, probability=value) for each, value in zip(known, values, strict=True))
    probability = scaled(region.cues.probability).to(region.cues.probability)
    return replace(
        region,
        detected=replace(region.detected, findings=findings),
        cues=replace(region.cues, probability=probability),
    )


def select_cues(config: FindingConfig, cues: Cues, supported: Collection[str]) -> Cues:
    """Return the cues of one region without findings that the draft may not state.

    Args:
        config: configuration of the finding head.
        cues: the region's cues, one row.
        supported: labels that the draft may state if they are detected.
    """
    kept = torch.tensor([label in supported for label in config.labels], device=cues.probability.device)
    return replace(cues, probability=cues.probability * kept * (cues.probability >= DETECTION_THRESHOLD))


def apply_corrections(config: FindingConfig, cues: Cues, corrections: Mapping[str, bool]) -> Cues:
    """Return the cues of one region after a reviewer's corrections.

    Args:
        config: configuration of the finding head.
        cues: the region's cues, one row.
        corrections: label -> whether the reviewer marked it as present.
    """
    probability, priority = cues.probability.clone(), cues.priority.clone()
    for label, present in corrections.items():
        index = config.labels.index(label)
        probability[:, index], priority[:, index] = float(present), 1.0
    return replace(cues, probability=probability, priority=priority)
