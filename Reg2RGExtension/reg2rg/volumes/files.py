"""Volume files: NIfTI, NRRD, MetaImage."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from reg2rg.errors import InputError

_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")


def is_volume_file(path: Path) -> bool:
    """Whether the name says that this is a volume file we read."""
    return path.name.lower().endswith(_SUFFIXES)


def read_volume_file(path: Path) -> sitk.Image:
    """The image in a volume file, as it is; InputError if it cannot be read."""
    try:
        return sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise InputError(
            f"{path} cannot be read: it is damaged, cut off, or not what its name says ({_reason(error)})."
        ) from error


def _reason(error: RuntimeError) -> str:
    """The last line of ITK's message that says something, shortened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].removeprefix("ITK ERROR:").split("): ", 1)[-1].rstrip(".")[:160]
