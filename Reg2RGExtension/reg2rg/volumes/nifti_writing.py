"""Writing compressed NIfTI files that are complete; ITK writes cut-off ones to a full disk without an error."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import SimpleITK as sitk

from reg2rg.volumes.files import silenced_stderr
from reg2rg.volumes.integrity import gzip_end

_HEADER_BYTES = 352
"""Length of a NIfTI-1 header without extensions, as ITK writes it."""


def write_nifti(image: sitk.Image, path: Path) -> None:
    """Write an image with voxel axes that grow toward right, anterior and superior.

    Args:
        image: the image.
        path: the file, .nii.gz, in an existing folder.

    Raises:
        OSError: the disk is too full for the whole file.
    """
    turned = sitk.DICOMOrient(image, "RAS")
    with silenced_stderr():
        sitk.WriteImage(turned, str(path), useCompression=True, compressionLevel=1)
    length = _HEADER_BYTES + sitk.GetArrayViewFromImage(turned).nbytes
    if not path.is_file() or gzip_end(path)[1] != length % 2**32:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
