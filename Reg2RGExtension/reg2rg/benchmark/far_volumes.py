"""Volumes that no chest CT looks like: does the model's own check flag them?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from reg2rg.benchmark.collect import load_generator
from reg2rg.errors import Reg2RGError
from reg2rg.evaluation import Table
from reg2rg.planting import HostEntry
from reg2rg.segmentation.thresholds import ThresholdSegmenter
from reg2rg.volumes import as_hu_volume, read_volume
from reg2rg.volumes.geometry import image_like

_NOISE_HU = 300.0
_BLUR_MM = 6.0
_ABDOMEN_SHARE = 0.3
"""Share of the slices, from the feet on, that is kept as "abdomen"."""


def _with_array(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[sitk.Image], sitk.Image]:
    """Return a function that changes the HU of a volume, (z, y, x), and keeps its geometry."""

    def changed(volume: sitk.Image) -> sitk.Image:
        hu = change(sitk.GetArrayFromImage(volume).astype(np.float32))
        return image_like(np.clip(hu, -1024, 3071).astype(np.int16), volume)

    return changed


def _noise(hu: np.ndarray) -> np.ndarray:
    return hu + np.random.default_rng(0).normal(0, _NOISE_HU, hu.shape).astype(np.float32)


def _blurred(volume: sitk.Image) -> sitk.Image:
    return sitk.Cast(sitk.SmoothingRecursiveGaussian(sitk.Cast(volume, sitk.sitkFloat32), _BLUR_MM), sitk.sitkInt16)


def _abdomen(volume: sitk.Image) -> sitk.Image:
    return volume[:, :, : max(1, round(_ABDOMEN_SHARE * volume.GetSize()[2]))]


FAR_VARIANTS: dict[str, Callable[[sitk.Image], sitk.Image]] = {
    "unchanged": lambda volume: volume,
    "lowest 30% of the slices": _abdomen,
    "head and feet exchanged": _with_array(lambda hu: hu[::-1]),
    "front and back exchanged": _with_array(lambda hu: hu[:, ::-1]),
    "HU inverted": _with_array(lambda hu: -hu),
    "HU halved": _with_array(lambda hu: 0.5 * hu),
    f"noise of {_NOISE_HU:g} HU": _with_array(_noise),
    f"blurred by {_BLUR_MM:g} mm": _blurred,
}
"""Name -> what makes a chest CT unlike one; volumes have LPS axes."""


@dataclass(frozen=True)
class FarVolume:
    """What became of a changed CT.

    Attributes:
        variant: Name of the change.
        flagged: Whether the model's check flags the volume; None if it was refused.
    """

    variant: str
    flagged: bool | None


def examine_far_volumes(model: Path, folder: Path, entries: Iterable[HostEntry]) -> list[FarVolume]:
    """Change CTs in every way, segment them by thresholds and run the model's check on them.

    Args:
        model: Model folder.
        folder: Folder of the real CTs.
        entries: The CTs.
    """
    generator, settings = load_generator(model)
    found = []
    for entry in entries:
        volume = read_volume(folder / entry.file)
        for name, change in FAR_VARIANTS.items():
            try:
                changed = as_hu_volume(change(volume), entry.file)
                inputs = settings.inputs(changed, ThresholdSegmenter().segment(changed))
                out_of_distribution = generator.out_of_distribution(inputs)
            except Reg2RGError:
                found.append(FarVolume(name, None))
            else:
                flagged = out_of_distribution is not None and out_of_distribution.detected
                found.append(FarVolume(name, flagged))
    return found


def far_volume_table(volumes: Sequence[FarVolume]) -> Table:
    """Return one row per kind of change."""
    rows = []
    for name in FAR_VARIANTS:
        outcomes = [volume.flagged for volume in volumes if volume.variant == name]
        rows.append((name, len(outcomes), outcomes.count(None), outcomes.count(True), outcomes.count(False)))
    description = (
        "CTs of held-out patients, changed so that they no longer look like a chest CT. Refused: not a chest CT in HU, "
        "or without a region that can be described. Flagged: by the model's own check; the draft then states nothing "
        "that the model says."
    )
    columns = ("change", "volumes", "refused", "flagged", "not flagged")
    return Table("far_volumes", "Volumes unlike a chest CT", description, columns, tuple(rows))
