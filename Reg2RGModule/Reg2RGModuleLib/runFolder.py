"""The temporary folder of a run: what the engine reads, and what it writes.

The voxels of the volume are in a file that is deleted after the run. Patient tags are never passed on.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from Reg2RGModuleLib import processes, segmentationFile, transforms

FOLDER_PREFIX = "reg2rg-slicer-"
VOLUME_FILE = "volume.nrrd"
PRIOR_FILE = "prior.nrrd"
GIVEN_REGIONS_FILE = "given.seg.nrrd"


def makeFolder() -> Path:
    """Return a new folder, whose name contains the ID of this process."""
    return Path(tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{os.getpid()}-"))


def removeLeftovers() -> None:
    """Delete the folders of runs whose Slicer process no longer exists. Only a crash leaves such folders behind."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        owner = folder.name.removeprefix(FOLDER_PREFIX).split("-")[0]
        if owner.isdigit() and int(owner) != os.getpid() and not processes.isAlive(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def writeVolume(
    volume: slicer.vtkMRMLScalarVolumeNode,
    frame: slicer.vtkMRMLTransformNode | None,
    folder: Path,
    name: str = VOLUME_FILE,
) -> str:
    """Write the voxels and geometry of a volume, without its name and attributes, which may identify the patient."""
    storage = slicer.vtkMRMLNRRDStorageNode()  # not added to the scene
    path = str(folder / name)
    storage.SetFileName(path)
    storage.SetUseCompression(0)
    if not storage.WriteData(transforms.volumeIn(volume, frame)):
        raise RuntimeError(_("Could not write the volume for the engine. Check that the disk is not full."))
    return path


def writeRegions(
    segmentation: slicer.vtkMRMLSegmentationNode, frame: slicer.vtkMRMLTransformNode | None, folder: Path
) -> str:
    """Write the masks of the regions that the engine is given."""
    path = folder / GIVEN_REGIONS_FILE
    segmentationFile.save(segmentation, path, frame)
    return str(path)
