"""A hash of a volume's voxels, by which a report finds the CT that it was made from."""

from __future__ import annotations

import hashlib

import numpy as np
import SimpleITK as sitk

from reg2rg.volumes.geometry import lps_view


def voxel_sha256(volume: sitk.Image) -> str:
    """Return the SHA-256 of the voxels of a CT.

    It depends neither on the file format nor on the order in which axes are stored, and contains nothing of the header.

    Args:
        volume: the CT in HU, as ``read_volume`` returns it.
    """
    hu = lps_view(volume)
    digest = hashlib.sha256(f"{hu.shape} ".encode())
    for plane in hu:
        digest.update(np.ascontiguousarray(plane, "<i2" if hu.dtype == np.int16 else "<f4").data)
    return digest.hexdigest()
