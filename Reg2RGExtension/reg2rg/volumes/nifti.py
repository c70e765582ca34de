"""The header of a NIfTI file, as far as SimpleITK does not check it (nifti1.h and nifti2.h, https://nifti.nimh.nih.gov)."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import numpy as np

HEADER_BYTES = 540
"""Length of the longer of the two headers."""

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])

_LAYOUTS = {
    348: (("8h", 40), ("h", 72), ("8f", 76), ("f", 108), ("2h", 252), ("12f", 280)),
    540: (("8q", 16), ("h", 14), ("8d", 104), ("q", 168), ("2i", 344), ("12d", 400)),
}
"""Length of the header to the formats and positions of dim, bitpix, pixdim, vox_offset, the two codes and srow."""


@dataclass(frozen=True)
class NiftiHeader:
    """What a NIfTI header says about length and geometry.

    Attributes:
        length: length in bytes of the whole file, uncompressed.
        spacing: voxel sizes of the first three axes.
        qform_code: 0 if the quaternion is not set.
        sform_code: 0 if the affine matrix is not set.
        sform: affine matrix from voxel indices to RAS coordinates, (3, 4).
    """

    length: int
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
        dimensions, (bits,), spacing, (offset,), (qform_code, sform_code), rows = (
            struct.unpack_from(order + values, header, position) for values, position in layout
        )
        if not 1 <= dimensions[0] <= 7 or not math.isfinite(offset):
            raise ValueError("its NIfTI header is damaged")
        voxels = math.prod(max(1, n) for n in dimensions[1 : 1 + dimensions[0]])
        return cls(
            length=int(offset) + voxels * bits // 8,
            spacing=spacing[1 : 1 + min(3, dimensions[0])],
            qform_code=qform_code,
            sform_code=sform_code,
            sform=np.reshape(rows, (3, 4)),
        )

    def check_geometry(self) -> None:
        """Raise a ValueError if the spacing or the affine matrix is not usable."""
        if not all(math.isfinite(size) and size > 0 for size in self.spacing):
            sizes = " x ".join(f"{size:g}" for size in self.spacing)
            raise ValueError(f"its voxel size is {sizes} mm")
        if self.sform_code > 0 and not (np.isfinite(self.sform).all() and np.linalg.det(self.sform[:, :3])):
            raise ValueError("its affine matrix (sform) is not invertible")

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
