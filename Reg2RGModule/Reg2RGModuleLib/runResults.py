"""What a run adds to a report: the findings it located, the structures it measured, and how the prior CT is aligned."""

from __future__ import annotations

from pathlib import Path

import slicer
from slicer.i18n import tr as _

from Reg2RGModuleLib import findingsDisplay, reportNode, segmentationFile, structuresDisplay, transformFile


def store(
    node: slicer.vtkMRMLTextNode,
    folder: Path,
    volume: slicer.vtkMRMLScalarVolumeNode,
    frame: slicer.vtkMRMLTransformNode | None,
) -> None:
    """Add the findings that a run located to those of a report, and set its structures and registration.

    Args:
        node: the report.
        folder: folder that the engine wrote. It contains no file of what there is not.
        volume: the volume of the run.
        frame: the transform in whose coordinates the engine works.
    """
    from reg2rg.report import FINDINGS_FILE, PRIOR_TRANSFORM_FILE, STRUCTURES_FILE

    if (folder / FINDINGS_FILE).exists():
        _storeFindings(node, folder / FINDINGS_FILE, volume, frame)
    if (folder / STRUCTURES_FILE).exists():
        structures = structuresDisplay.loadStructures(folder / STRUCTURES_FILE, volume, frame)
        reportNode.setStructures(node, structures)
    if (folder / PRIOR_TRANSFORM_FILE).exists():
        loadRegistration(node, folder / PRIOR_TRANSFORM_FILE, volume, frame)


def loadRegistration(
    node: slicer.vtkMRMLTextNode,
    file: Path,
    volume: slicer.vtkMRMLScalarVolumeNode,
    frame: slicer.vtkMRMLTransformNode | None,
) -> None:
    """Add the registration of a report's prior CT to the scene.

    Args:
        node: the report.
        file: the transform file.
        volume: the current CT.
        frame: the transform in whose coordinates the engine works.
    """
    name = _("{0} registration of the prior CT").format(volume.GetName())
    reportNode.setRegistration(node, transformFile.load(file, name, frame))


def _storeFindings(
    node: slicer.vtkMRMLTextNode,
    file: Path,
    volume: slicer.vtkMRMLScalarVolumeNode,
    frame: slicer.vtkMRMLTransformNode | None,
) -> None:
    existing = reportNode.findingsOf(node)
    if existing is None:
        reportNode.setFindings(node, findingsDisplay.loadFindings(file, volume, frame))
    else:
        new = segmentationFile.load(file, volume, "", frame)
        findingsDisplay.merge(existing, new)
        slicer.mrmlScene.RemoveNode(new)
