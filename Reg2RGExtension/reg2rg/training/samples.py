"""Training cases: a volume's regions as small byte arrays, with what their texts say and where findings lie.

Arrays, not tensors: those would cross between processes as open files, one each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
import torch
import torch.nn.functional as F
from torch import Tensor

from reg2rg.labeler import Status, extract_mentions, side_and_level
from reg2rg.models.config import FindingConfig, ModelConfig, PreprocessingConfig, Size
from reg2rg.models.finding_head import LEVELS, SIDES
from reg2rg.preprocessing import Crop, prepare
from reg2rg.regions import REGION_NAMES
from reg2rg.segmentation.masks import RegionMasks

LEAST_SHARE = 0.25
"""Of a cell of the finding map that a finding must fill to be its target; its fullest cell counts in any case."""

_CODES = ((-1000.0, 0), (-200.0, 88), (200.0, 200), (1200.0, 255))
"""HU and the byte it is kept as, linear in between: soft tissue in steps of 4 HU, air of 9 and bone of 18."""


@dataclass(frozen=True)
class RegionSample:
    """One region of one case.

    Attributes:
        region: index in REGION_NAMES.
        texture: uint8 (H, W, D), see ``decoded``.
        mask: uint8, 0 to 255 for 0 to 1.
        voxel_mm: float32 (3,), size of the texture's voxels.
        text: the section's text.
        labels: float32 (F,), 1 where the text asserts the finding, 0 where not, nan where it leaves it open.
        sides, levels: int64 (F,), indices in SIDES and LEVELS, -1 where the text does not say.
        sizes: float32 (F,), mm, nan where the text does not say.
        cells: uint8 (h, w, d), what each cell of the finding map shows: 0 for no finding, else 1 + the label's index;
            None where findings have no masks.
    """

    region: int
    texture: np.ndarray
    mask: np.ndarray
    voxel_mm: np.ndarray
    text: str
    labels: np.ndarray
    sides: np.ndarray
    levels: np.ndarray
    sizes: np.ndarray
    cells: np.ndarray | None


@dataclass(frozen=True)
class TrainingCase:
    """A case: its whole volume (coded as textures are) and its regions."""

    image: np.ndarray
    regions: tuple[RegionSample, ...]


def make_case(
    volume: sitk.Image,
    masks: RegionMasks,
    texts: Mapping[str, str],
    config: ModelConfig,
    finding_bits: sitk.Image | None = None,
    bits_of: Mapping[str, Sequence[tuple[str, int]]] | None = None,
) -> TrainingCase:
    """A volume with masks and texts as a training case.

    Args:
        texts: region -> its text; regions without one, or without a mask, are left out.
        finding_bits: image of the volume's grid whose bits say which findings lie in a voxel; None where nobody knows.
        bits_of: region -> (label, bit) of its findings.
    """
    wanted = [name for name in masks.present if name in texts]
    inputs = prepare(volume, masks, config.preprocessing, wanted)
    bits = None if finding_bits is None else sitk.GetArrayViewFromImage(finding_bits)
    samples = []
    for name, texture in inputs.textures.items():
        crop = inputs.crops[name]
        labels, sides, levels, sizes = targets_of_text(texts[name], name, config.findings)
        grid = map_grid(config, name)
        findings = (bits_of or {}).get(name, ())
        samples.append(
            RegionSample(
                region=REGION_NAMES.index(name),
                texture=coded(texture, config.preprocessing),
                mask=(inputs.masks[name] * 255).round().to(torch.uint8).numpy(),
                voxel_mm=np.array(crop.voxel_mm, np.float32),
                text=texts[name],
                labels=labels,
                sides=sides,
                levels=levels,
                sizes=sizes,
                cells=None if bits is None else _cells(bits, findings, crop, grid, config.findings),
            )
        )
    return TrainingCase(coded(inputs.image, config.preprocessing), tuple(samples))


def coded(values: Tensor, config: PreprocessingConfig) -> np.ndarray:
    """Values in [-1, 1] as bytes."""
    middle, half = (config.hu_max + config.hu_min) / 2, (config.hu_max - config.hu_min) / 2
    hu, codes = zip(*_CODES, strict=True)
    return np.interp(values.numpy() * half + middle, hu, codes).round().astype(np.uint8)


def decoded(codes: Sequence[np.ndarray], config: PreprocessingConfig) -> Tensor:
    """Bytes of volumes of one shape as float32 values in [-1, 1]: (B, H, W, D)."""
    middle, half = (config.hu_max + config.hu_min) / 2, (config.hu_max - config.hu_min) / 2
    hu, bytes_ = zip(*_CODES, strict=True)
    table = (np.interp(np.arange(256), bytes_, hu).clip(config.hu_min, config.hu_max) - middle) / half
    return torch.from_numpy(table.astype(np.float32)[np.stack(codes)])


def map_grid(config: ModelConfig, region: str) -> Size:
    """Cells of the finding map of a region: of the finest grid that the stem offers."""
    texture = config.preprocessing.texture_size_of(region)
    cell = (2, 2, 2) if config.vision.stem == "pyramid" else config.vision.patch_size
    return tuple(n // c for n, c in zip(texture, cell, strict=True))


def targets_of_text(
    text: str, region: str, config: FindingConfig | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Labels, sides, levels and sizes (F,) that a region's text tells, as in RegionSample.

    Of several findings of one label the largest counts.
    """
    names = config.labels if config else ()
    labels, sizes = np.zeros(len(names), np.float32), np.full(len(names), np.nan, np.float32)
    sides, levels = np.full(len(names), -1), np.full(len(names), -1)
    found = [finding for finding in extract_mentions(text, region) if finding.label in names]
    for finding in sorted(found, key=lambda finding: (finding.status is Status.PRESENT, finding.size_mm or 0)):
        index = names.index(finding.label)
        if finding.status is Status.UNCERTAIN:
            labels[index] = np.nan
        elif finding.status is Status.PRESENT:
            labels[index] = 1
            side, level = side_and_level(finding)
            sides[index] = SIDES.index(side) if finding.label in config.sided else -1
            levels[index] = LEVELS.index(level) if finding.label in config.leveled else -1
            sizes[index] = finding.size_mm if finding.label in config.sized and finding.size_mm else np.nan
    return labels, sides, levels, sizes


def _cells(
    bits: np.ndarray, findings: Sequence[tuple[str, int]], crop: Crop, grid: Size, config: FindingConfig
) -> np.ndarray:
    """The label under each cell; where several lie, that of the smallest finding."""
    cells = np.zeros(grid, np.uint8)
    inside = crop.cut(bits)
    masks = [(label, (inside >> np.uint32(bit)) & 1) for label, bit in findings if label in config.labels]
    for label, mask in sorted(masks, key=lambda pair: -int(pair[1].sum())):
        share = F.adaptive_avg_pool3d(torch.from_numpy(mask.astype(np.float32))[None], grid)[0].numpy()
        if share.max() > 0:
            cells[share >= min(LEAST_SHARE, share.max())] = 1 + config.labels.index(label)
    return cells
