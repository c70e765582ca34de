"""A prepared case as files, on its way from one process to another: arrays as .npz, everything else as JSON.

Reading them runs no code, unlike pickle.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from reg2rg.measurements import Evidence
from reg2rg.pipeline.run import PreparedReport
from reg2rg.preprocessing import Crop, ModelInputs
from reg2rg.report import Geometry
from reg2rg.runtime.dataclass_io import from_plain, parse_json, to_plain
from reg2rg.segmentation import RegionMasks
from reg2rg.volumes.geometry import image_like

_ARRAYS, _VALUES = "prepared.npz", "prepared.json"
_TENSORS = ("textures", "masks", "scalars")
"""Fields of the model's inputs that contain a tensor per region."""


@dataclass(frozen=True)
class _StoredCrop:
    box: tuple[tuple[int, int], ...]
    voxel_mm: tuple[float, ...]
    axes: tuple[int, ...]
    flips: tuple[bool, ...]


@dataclass(frozen=True)
class _Values:
    """What is stored as JSON, with the names of the fields of PreparedReport, RegionMasks and ModelInputs."""

    geometry: Geometry
    segmenter: str
    approximate: tuple[str, ...]
    missing: Mapping[str, str]
    notices: tuple[str, ...]
    reason: str
    evidence: Evidence
    skipped: Mapping[str, str]
    crops: Mapping[str, _StoredCrop]
    stage_seconds: Mapping[str, float]
    acquired: str | None


def write_prepared(prepared: PreparedReport, folder: Path) -> None:
    """Write a prepared case to a folder. Structures are left out; they have a file of their own."""
    masks, inputs, acquired = prepared.masks, prepared.inputs, prepared.acquired
    arrays = {
        "volume": sitk.GetArrayViewFromImage(prepared.volume),
        "bits": sitk.GetArrayViewFromImage(masks.bits),
        "image": inputs.image.numpy(),
    }
    arrays |= {f"{kind}/{name}": each.numpy() for kind in _TENSORS for name, each in getattr(inputs, kind).items()}
    values = _Values(
        Geometry.from_image(prepared.volume),
        masks.segmenter,
        tuple(sorted(masks.approximate)),
        masks.missing,
        masks.notices,
        prepared.reason,
        prepared.evidence,
        inputs.skipped,
        {name: _stored(crop) for name, crop in inputs.crops.items()},
        prepared.stage_seconds,
        None if acquired is None else acquired.isoformat(),
    )
    np.savez(folder / _ARRAYS, **arrays)  # type: ignore[arg-type]  # mypy takes the arrays for its other argument
    (folder / _VALUES).write_text(json.dumps(to_plain(values)), encoding="utf-8")


def read_prepared(folder: Path) -> PreparedReport:
    """Read a prepared case from a folder."""
    import torch

    values = from_plain(_Values, parse_json((folder / _VALUES).read_text(encoding="utf-8"), _VALUES), _VALUES)
    with np.load(folder / _ARRAYS, allow_pickle=False) as arrays:
        grid = values.geometry.to_image()
        volume, bits = (image_like(arrays[name], grid) for name in ("volume", "bits"))
        tensors: dict[str, dict[str, torch.Tensor]] = {kind: {} for kind in _TENSORS}
        for key in arrays:
            kind, _, region = key.partition("/")
            if region:
                tensors[kind][region] = torch.from_numpy(arrays[key])
        image = torch.from_numpy(arrays["image"])
    crops = {name: _crop(stored) for name, stored in values.crops.items()}
    return PreparedReport(
        volume,
        RegionMasks(bits, values.segmenter, frozenset(values.approximate), values.missing, values.notices),
        values.reason,
        values.evidence,
        ModelInputs(image, tensors["textures"], tensors["masks"], values.skipped, crops, tensors["scalars"]),
        values.stage_seconds,
        None if values.acquired is None else datetime.date.fromisoformat(values.acquired),
    )


def _stored(crop: Crop) -> _StoredCrop:
    box = tuple((int(part.start), int(part.stop)) for part in crop.box)
    return _StoredCrop(box, tuple(map(float, crop.voxel_mm)), tuple(map(int, crop.axes)), tuple(map(bool, crop.flips)))


def _crop(stored: _StoredCrop) -> Crop:
    z, y, x = (slice(start, stop) for start, stop in stored.box)
    (right, anterior, superior), (first, second, third) = stored.voxel_mm, stored.axes
    flip_right, flip_anterior, flip_superior = stored.flips
    return Crop(
        (z, y, x),
        (right, anterior, superior),
        (first, second, third),
        (flip_right, flip_anterior, flip_superior),
    )
