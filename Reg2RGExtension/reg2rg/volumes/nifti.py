"""The header of a NIfTI file, as far as SimpleITK does not check it (nifti1.h and nifti2.h, https://nifti.nimh.nih.gov)."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

HEADER_BYTES = 540
"""Length of the longer of the two headers."""

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])

_LAYOUTS = {
    348: (("8h", 40), ("2h", 70), ("8f", 76), ("f", 108), ("2f", 112), ("2h", 252), ("12f", 280)),
    540: (("8q", 16), ("2h", 12), ("8d", 104), ("q", 168), ("2d", 176), ("2i", 344), ("12d", 400)),
}
"""Length of the header to the formats and positions of some fields.

These are dim; datatype and bitpix; pixdim; vox_offset; scl_slope and scl_inter; qform_code and sform_code; and srow.
"""

_FLOATS = {16: "f4", 64: "f8"}
"""Values of datatype to the types of floating-point numbers that a CT may have."""

SIZE_TOLERANCE = 0.01
"""Largest difference between the voxel sizes of pixdim and of the affine matrix, as a share."""


@dataclass(frozen=True)
class NiftiHeader:
    """What a NIfTI header says about length and geometry.

    Attributes:
        offset: position of the first voxel in the file, uncompressed.
        length: length in bytes of the whole file, uncompressed.
        float_type: type of the stored values if they are floating-point numbers.
        ignored_intercept: scl_inter if scl_slope says that values are not scaled, but ITK adds it nevertheless; or 0.
        spacing: voxel sizes of the first three axes.
        qform_code: 0 if the quaternion is not set.
        sform_code: 0 if the affine matrix is not set.
        sform: affine matrix from voxel indices to RAS coordinates, (3, 4).
    """

    offset: int
    length: int
    float_type: np.dtype | None
    ignored_intercept: float
    spacing: tuple[float, ...]
    qform_code: int
    sform_code: int
    sform: np.ndarray

    @classmethod
    def parse(cls, header: bytes) -> NiftiHeader:
        """Parse the first bytes of a file; a ValueError or struct.error says that they are not a valid header."""
        for order in "<>":
            layout = _LAYOUTS.get(struct.unpack_from(f"{order}i", header)[0])
            if layout is not None:
                break
        else:
            raise ValueError("it has no NIfTI header")
        dimensions, (datatype, bits), spacing, (offset,), (slope, intercept), (qform_code, sform_code), rows = (
            struct.unpack_from(order + values, header, position) for values, position in layout
        )
        if not 1 <= dimensions[0] <= 7 or not math.isfinite(offset):
            raise ValueError("its NIfTI header is damaged")
        voxels = math.prod(max(1, n) for n in dimensions[1 : 1 + dimensions[0]])
        is_scaled = math.isfinite(slope) and slope != 0
        return cls(
            offset=int(offset),
            length=int(offset) + voxels * bits // 8,
            float_type=np.dtype(order + _FLOATS[datatype]) if datatype in _FLOATS else None,
            ignored_intercept=0.0 if is_scaled or not math.isfinite(intercept) else intercept,
            spacing=spacing[1 : 1 + min(3, dimensions[0])],
            qform_code=qform_code,
            sform_code=sform_code,
            sform=np.reshape(rows, (3, 4)),
        )

    def check_geometry(self) -> None:
        """Raise a ValueError if the spacing or the affine matrix is not usable."""
        if not all(math.isfinite(size) and size > 0 for size in self.spacing):
            raise ValueError(f"its voxel size is {_millimeters(self.spacing)}")
        if self.sform_code > 0 and not (np.isfinite(self.sform).all() and np.linalg.det(self.sform[:, :3])):
            raise ValueError("its affine matrix (sform) is not invertible")
        if self.sform_code > 0 and len(self.spacing) == 3:
            sizes = np.linalg.norm(self.sform[:, :3], axis=0)
            if not np.allclose(sizes, self.spacing, rtol=SIZE_TOLERANCE, atol=0):
                raise ValueError(
                    f"its header contradicts itself: voxels of {_millimeters(self.spacing)} (pixdim) and of "
                    f"{_millimeters(sizes)} (sform)"
                )

    @property
    def has_orientation(self) -> bool:
        """Whether the header says which way the axes point."""
        return self.qform_code > 0 or self.sform_code > 0

    @property
    def axes(self) -> np.ndarray:
        """Columns of the affine matrix: one step along each voxel axis, in LPS coordinates, (3, 3)."""
        return _RAS_TO_LPS @ self.sform[:, :3]

    @property
    def origin(self) -> np.ndarray:
        """Center of the first voxel, in LPS coordinates, (3,)."""
        return _RAS_TO_LPS @ self.sform[:, 3]


def _millimeters(sizes: Iterable[float]) -> str:
    return " x ".join(f"{size:g}" for size in sizes) + " mm"
