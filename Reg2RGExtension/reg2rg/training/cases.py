"""Training cases: a phantom's regions as small tensors, with what the text says and where each finding lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
import torch
import torch.nn.functional as F
from torch import Tensor

from reg2rg.models.config import ModelConfig, Size
from reg2rg.phantom import FINDINGS, PhantomCase, make_phantom
from reg2rg.preprocessing import prepare, region_crop
from reg2rg.regions import REGION_NAMES

SIDES = (None, "left", "right")
LEVELS = (None, "upper", "middle", "lower")


@dataclass(frozen=True)
class RegionSample:
    """One region of one case.

    Attributes:
        region: index in REGION_NAMES.
        texture, mask: uint8 crops; 0 to 255 stands for -1 to 1 and 0 to 1. (Arrays, not tensors: those would cross
            between processes as open files, one each.)
        text: the section's text.
        tokens: int64 label of each vision token, 0 for no finding, else 1 + index in FINDINGS.
        findings: float32 multi-hot over FINDINGS.
        side, level: indices in SIDES and LEVELS of the region's first finding.
    """

    region: int
    texture: np.ndarray
    mask: np.ndarray
    text: str
    tokens: np.ndarray
    findings: np.ndarray
    side: int
    level: int


@dataclass(frozen=True)
class TrainingCase:
    """A case: its whole volume (uint8) and its regions."""

    image: np.ndarray
    regions: tuple[RegionSample, ...]


def prepare_case(seed: int, config: ModelConfig) -> TrainingCase:
    """The phantom of that seed as tensors."""
    phantom = make_phantom(seed)
    inputs = prepare(phantom.volume, phantom.masks, config.preprocessing)
    grid = tuple(s // p for s, p in zip(config.preprocessing.texture_size, config.vision.patch_size, strict=True))
    samples = []
    for name, texture in inputs.textures.items():
        findings = [finding for finding in phantom.findings if finding.region == name]
        labels = [FINDINGS.index(finding.label) for finding in findings]
        multi_hot = np.zeros(len(FINDINGS), np.float32)
        multi_hot[labels] = 1
        samples.append(
            RegionSample(
                region=REGION_NAMES.index(name),
                texture=to_uint8((texture + 1) / 2),
                mask=to_uint8(inputs.masks[name]),
                text=phantom.sections[name],
                tokens=_token_labels(phantom, name, labels, grid, config),
                findings=multi_hot,
                side=SIDES.index(findings[0].side) if findings else 0,
                level=LEVELS.index(findings[0].level) if findings else 0,
            )
        )
    return TrainingCase(to_uint8((inputs.image + 1) / 2), tuple(samples))


def to_uint8(values: Tensor) -> np.ndarray:
    """Values in [0, 1] as bytes."""
    return (values * 255).round().clamp(0, 255).to(torch.uint8).numpy()


def _token_labels(
    phantom: PhantomCase, name: str, labels: Sequence[int], grid: Size, config: ModelConfig
) -> np.ndarray:
    """The finding under each vision token of the crop, (tokens,); a finding counts that fills a twentieth of it."""
    best = torch.full(grid, 0.05)
    tokens = torch.zeros(grid, dtype=torch.long)
    for label in labels:
        planted = sitk.Equal(phantom.finding_labels, label + 1)
        crop = region_crop(phantom.volume, phantom.masks, name, config.preprocessing, of=planted)
        share = F.adaptive_avg_pool3d(torch.from_numpy(crop.astype(np.float32))[None], grid)[0]
        threshold = torch.minimum(best, share.max() * 0.99)
        tokens[share > threshold] = label + 1
        best = torch.maximum(best, share)
    return tokens.flatten().numpy()
