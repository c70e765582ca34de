"""How a report was made, and how far its volume is from the model's training data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from reg2rg.runtime.dataclass_io import Constraint, Time

_MAXIMUM_VOXELS = 1 << 30
"""More voxels than any CT has; a damaged report could otherwise ask for all memory."""


def _is_size(size: tuple[int, ...]) -> bool:
    return len(size) == 3 and min(size) > 0 and size[0] * size[1] * size[2] <= _MAXIMUM_VOXELS


def _is_direction(direction: tuple[float, ...]) -> bool:
    """Return whether nine numbers are a matrix of perpendicular unit vectors."""
    if len(direction) != 9 or max(map(abs, direction)) > 1.1:
        return False
    matrix = np.reshape(direction, (3, 3))
    return bool(np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-3))


@dataclass(frozen=True)
class Geometry:
    """Voxel grid of a volume, as SimpleITK describes it (x, y, z; mm; LPS).

    Attributes:
        size: number of voxels.
        spacing: distance between voxel centers in mm.
        origin: center of the first voxel in mm.
        direction: 3 x 3 direction cosine matrix, row by row.
    """

    size: Annotated[tuple[int, ...], Constraint("three positive numbers of voxels", _is_size)]
    spacing: Annotated[tuple[float, ...], Constraint("three positive numbers", lambda mm: len(mm) == 3 and min(mm) > 0)]
    origin: Annotated[tuple[float, ...], Constraint("three numbers", lambda mm: len(mm) == 3)]
    direction: Annotated[tuple[float, ...], Constraint("a direction cosine matrix", _is_direction)]

    @classmethod
    def from_image(cls, image: sitk.Image) -> Geometry:
        """Return the geometry of an image."""
        return cls(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())

    def matches(self, other: Geometry) -> bool:
        """Return whether another grid is the same, up to a hundredth of a voxel."""
        if self.size != other.size:
            return False
        tolerance = 0.01 * min(self.spacing)
        tolerances = {"spacing": tolerance / max(self.size), "origin": tolerance, "direction": 1e-4}
        return all(
            np.allclose(getattr(self, name), getattr(other, name), atol=limit, rtol=0)
            for name, limit in tolerances.items()
        )

    def to_image(self) -> sitk.Image:
        """Return an empty image on this grid."""
        image = sitk.Image(list(self.size), sitk.sitkUInt8)
        image.SetSpacing(self.spacing)
        image.SetOrigin(self.origin)
        image.SetDirection(self.direction)
        return image


@dataclass(frozen=True)
class OutOfDistribution:
    """How far a volume is from the model's training data.

    Attributes:
        distance: normalized Mahalanobis distance; about 1 for a training case.
        limit: 99th percentile of the distance over the validation cases.
        kind: kind of training volumes that the volume is nearest to. Empty if the model does not tell kinds apart.
    """

    derived: ClassVar[tuple[str, ...]] = ("detected",)

    distance: float
    limit: float
    kind: str = ""

    @property
    def detected(self) -> bool:
        """Whether the volume is out of distribution."""
        return self.distance > self.limit


@dataclass(frozen=True)
class Provenance:
    """How a report was made.

    Attributes:
        model: name of the model.
        model_sha256: SHA-256 of its weights.
        decoding: description of how the text was generated.
        device: torch device.
        precision: precision of the language model's weights.
        seed: random seed.
        max_new_tokens: token limit per text.
        segmenter: name of the segmenter.
        segmenter_reason: one sentence that explains why this segmenter was used.
        versions: package name -> version.
        created: creation time, UTC in ISO 8601 format.
        stage_seconds: pipeline stage -> run time in seconds.
        geometry: voxel grid of the volume.
        trained_for: what the model was trained for, such as "synthetic phantoms". Empty if that is not known.
        volume_sha256: SHA-256 of the volume's voxels (``reg2rg.volumes.voxel_hash``), by which the CT is found again.
            Empty in reports of older schema versions.
    """

    model: str
    model_sha256: str
    decoding: str
    device: str
    precision: str
    seed: int
    max_new_tokens: int
    segmenter: str
    segmenter_reason: str
    versions: dict[str, str]
    created: Time
    stage_seconds: dict[str, float]
    geometry: Geometry
    trained_for: str = ""
    volume_sha256: str = ""

    @property
    def model_words(self) -> str:
        """The model and what it was trained for, in a few words."""
        purpose = f", trained for {self.trained_for}" if self.trained_for else ""
        return f"{self.model} ({self.model_sha256[:12]}){purpose}"
