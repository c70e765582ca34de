"""The header of a NIfTI file, as far as SimpleITK does not check it (nifti1.h and nifti2.h, https://nifti.nimh.nih.gov)."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import numpy as np

HEADER_BYTES = 540
"""Length of the longer of the two headers."""

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])


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
            size = struct.unpack_from(f"{order}i", header)[0]
            if size == 348:
                return cls._parse(
                    header, order, ("8h", 40), ("h", 72), ("8f", 76), ("f", 108), ("2h", 252), ("12f", 280)
                )
            if size == 540:
                return cls._parse(
                    header, order, ("8q", 16), ("h", 14), ("8d", 104), ("q", 168), ("2i", 344), ("12d", 400)
                )
        raise ValueError("it has no NIfTI header")

    @classmethod
    def _parse(cls, header: bytes, order: str, *fields: tuple[str, int]) -> NiftiHeader:
        """Parse the fields dim, bitpix, pixdim, vox_offset, the two codes and srow, each a format and its position."""
        dimensions, bits, spacing, offset, codes, rows = (
            struct.unpack_from(order + layout, header, position) for layout, position in fields
        )
        if not 1 <= dimensions[0] <= 7 or not math.isfinite(offset[0]):
            raise ValueError("its NIfTI header is damaged")
        voxels = math.prod(max(1, n) for n in dimensions[1 : 1 + dimensions[0]])
        length = int(offset[0]) + voxels * bits[0] // 8
        return cls(length, spacing[1 : 1 + min(3, dimensions[0])], *codes, np.reshape(rows, (3, 4)))

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
