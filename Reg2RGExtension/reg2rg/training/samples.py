"""Training cases: the regions of a volume as small byte arrays, with the targets from their texts and finding masks.

They are NumPy arrays, because each tensor that is passed between processes keeps a file open.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk
import torch
import torch.nn.functional as F
from scipy.ndimage import binary_dilation
from torch import Tensor

from reg2rg.labeler import Status, extract_mentions, side_and_level
from reg2rg.models.config import FindingConfig, ModelConfig, PreprocessingConfig, Size
from reg2rg.models.finding_head import LEVELS, SIDES
from reg2rg.preprocessing import Crop, hu_to_unit, prepare, unit_to_hu, with_scalars
from reg2rg.regions import REGION_NAMES
from reg2rg.segmentation.masks import RegionMasks

MIN_CELL_SHARE = 0.25
"""Share of a finding map cell that a finding must fill to become its target. The fullest cell always counts."""

IGNORED_CELL = 255
"""Target of a cell that may show a finding without a mask."""

_AROUND_FINDINGS = 3
"""In a region with unknown findings, cells up to this far from a finding with a mask show nothing else for certain."""

_CODES = ((-1000.0, 0), (-200.0, 88), (200.0, 200), (1200.0, 255))
"""HU values and the bytes that encode them, linear in between: steps of 4 HU in soft tissue, 9 in air, 18 in bone."""


class FindingTargets(NamedTuple):
    """What a region's text says about each of F findings.

    Attributes:
        labels: float32 (F,), 1 where the text asserts the finding, 0 where it does not, NaN where that is uncertain.
        sides: int64 (F,), indices in SIDES, -1 where the text does not say.
        levels: int64 (F,), indices in LEVELS, -1 where the text does not say.
        sizes: float32 (F,), in mm, NaN where the text does not say.
    """

    labels: np.ndarray
    sides: np.ndarray
    levels: np.ndarray
    sizes: np.ndarray


@dataclass(frozen=True)
class RegionSample:
    """One region of one case.

    Attributes:
        region: index in REGION_NAMES.
        texture: uint8 (H, W, D), encoded by :func:`encode_volume`.
        mask: uint8, 0 to 255 for 0 to 1.
        voxel_mm: float32 (3,), size of the texture's voxels.
        text: the text of the section.
        unknown: labels that may be present although the text does not mention them.
        labels: float32 (F,), as in FindingTargets.
        sides: int64 (F,), as in FindingTargets.
        levels: int64 (F,), as in FindingTargets.
        sizes: float32 (F,), as in FindingTargets.
        scalars: float32 (S, 2), the region's scalars as in ModelInputs.
        cells: uint8 (h, w, d), target of each cell of the finding map: 0 for no finding, otherwise 1 + the label's
            index, or IGNORED_CELL. None if the findings have no masks.
    """

    region: int
    texture: np.ndarray
    mask: np.ndarray
    voxel_mm: np.ndarray
    text: str
    unknown: tuple[str, ...]
    labels: np.ndarray
    sides: np.ndarray
    levels: np.ndarray
    sizes: np.ndarray
    scalars: np.ndarray
    cells: np.ndarray | None


@dataclass(frozen=True)
class TrainingCase:
    """One volume with its regions.

    Attributes:
        image: uint8 (H, W, D), the whole volume, encoded by :func:`encode_volume`.
        regions: the regions that have a mask and a text.
    """

    image: np.ndarray
    regions: tuple[RegionSample, ...]


def make_case(
    volume: sitk.Image,
    masks: RegionMasks,
    texts: Mapping[str, str],
    config: ModelConfig,
    finding_bits: sitk.Image | None = None,
    bits_by_region: Mapping[str, Sequence[tuple[str, int]]] | None = None,
    unknown: Mapping[str, Collection[str]] | None = None,
) -> TrainingCase:
    """Make a training case from a volume with region masks and texts.

    Args:
        volume: the CT in HU.
        masks: the region masks.
        texts: region -> text. Regions without a text or without a mask are left out.
        config: the model that the case is prepared for.
        finding_bits: image on the volume's grid in which each bit marks the voxels of one finding; None if the
            findings have no masks.
        bits_by_region: region -> (label, bit) of its findings.
        unknown: region -> labels that may be present although its text does not mention them. In these regions, only
            the cells around the findings with masks become targets.

    Returns:
        The case.
    """
    regions = [name for name in masks.present if name in texts]
    inputs = prepare(volume, masks, config.preprocessing, regions)
    inputs = with_scalars(inputs, volume, masks, config.scalars)
    bits = None if finding_bits is None else sitk.GetArrayViewFromImage(finding_bits)
    samples = []
    for name, texture in inputs.textures.items():
        cells, unsure = None, tuple(sorted((unknown or {}).get(name, ())))
        if bits is not None and config.findings is not None:
            findings = (bits_by_region or {}).get(name, ())
            cells = _map_targets(bits, findings, inputs.crops[name], map_grid(config, name), config.findings)
            if unsure:
                cells[(cells == 0) & ~binary_dilation(cells > 0, iterations=_AROUND_FINDINGS)] = IGNORED_CELL
        samples.append(
            RegionSample(
                region=REGION_NAMES.index(name),
                texture=encode_volume(texture, config.preprocessing),
                mask=(inputs.masks[name] * 255).round().to(torch.uint8).numpy(),
                voxel_mm=np.array(inputs.crops[name].voxel_mm, np.float32),
                text=texts[name],
                unknown=unsure,
                **text_targets(texts[name], name, config.findings, unsure)._asdict(),
                scalars=inputs.scalars[name].numpy() if config.scalars else np.zeros((0, 2), np.float32),
                cells=cells,
            )
        )
    return TrainingCase(encode_volume(inputs.image, config.preprocessing), tuple(samples))


def encode_volume(values: Tensor, config: PreprocessingConfig) -> np.ndarray:
    """Encode a volume as bytes, with finer steps in soft tissue than in air and bone.

    Args:
        values: (H, W, D) in [-1, 1], as preprocessing returns them.
        config: the HU range that [-1, 1] stands for.

    Returns:
        uint8 (H, W, D).
    """
    hu, codes = zip(*_CODES, strict=True)
    return np.interp(unit_to_hu(values.numpy(), config), hu, codes).round().astype(np.uint8)


def decode_volumes(codes: Sequence[np.ndarray], config: PreprocessingConfig) -> Tensor:
    """Decode volumes of equal shape that were encoded by :func:`encode_volume`.

    Args:
        codes: B arrays, uint8 (H, W, D).
        config: the HU range that [-1, 1] stands for.

    Returns:
        float32 (B, H, W, D) in [-1, 1].
    """
    hu, encoded = zip(*_CODES, strict=True)
    table = hu_to_unit(np.interp(np.arange(256), encoded, hu), config)
    return torch.from_numpy(table.astype(np.float32)[np.stack(codes)])


def map_grid(config: ModelConfig, region: str) -> Size:
    """Return the number of cells in a region's finding map, on the finest grid of the model's stem."""
    texture = config.preprocessing.texture_size_of(region)
    cell = (2, 2, 2) if config.vision.stem == "pyramid" else config.vision.patch_size
    return (texture[0] // cell[0], texture[1] // cell[1], texture[2] // cell[2])


def text_targets(text: str, region: str, config: FindingConfig | None, unknown: Collection[str] = ()) -> FindingTargets:
    """Read the targets of the finding head from a region's text.

    If the text mentions a label several times, the largest finding counts.

    Args:
        text: the text of the section.
        region: name of the region.
        config: the finding head; None for a model without one, which has no targets (F = 0).
        unknown: labels that may be present although the text does not mention them.

    Returns:
        The targets, one per label of the head.
    """
    names = config.labels if config else ()
    labels, sizes = np.zeros(len(names), np.float32), np.full(len(names), np.nan, np.float32)
    sides, levels = np.full(len(names), -1), np.full(len(names), -1)
    targets = FindingTargets(labels, sides, levels, sizes)
    if config is None:
        return targets
    labels[[index for index, name in enumerate(names) if name in unknown]] = np.nan
    mentions = [mention for mention in extract_mentions(text, region) if mention.label in names]
    for mention in sorted(mentions, key=lambda mention: (mention.status is Status.PRESENT, mention.size_mm or 0)):
        index = names.index(mention.label)
        if mention.status is Status.UNCERTAIN:
            labels[index] = np.nan
        elif mention.status is Status.PRESENT:
            labels[index] = 1
            side, level = side_and_level(mention)
            sides[index] = SIDES.index(side) if mention.label in config.sided else -1
            levels[index] = LEVELS.index(level) if mention.label in config.leveled else -1
            sizes[index] = mention.size_mm if mention.label in config.sized and mention.size_mm else np.nan
    return targets


def _map_targets(
    bits: np.ndarray, findings: Sequence[tuple[str, int]], crop: Crop, grid: Size, config: FindingConfig
) -> np.ndarray:
    """Return the target of each cell of the finding map; where findings overlap, the smallest one wins."""
    cells = np.zeros(grid, np.uint8)
    cropped = crop.cut(bits)
    masks = [(label, (cropped >> np.uint32(bit)) & 1) for label, bit in findings if label in config.labels]
    for label, mask in sorted(masks, key=lambda pair: -int(pair[1].sum())):
        share = F.adaptive_avg_pool3d(torch.from_numpy(mask.astype(np.float32))[None], grid)[0].numpy()
        if share.max() > 0:
            cells[share >= min(MIN_CELL_SHARE, share.max())] = 1 + config.labels.index(label)
    return cells
