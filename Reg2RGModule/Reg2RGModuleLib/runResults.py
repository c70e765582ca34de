"""The segmentations that a run adds to a report: the findings it located and the structures it measured."""

from __future__ import annotations

from pathlib import Path

import slicer

from Reg2RGModuleLib import findingsDisplay, reportNode, segmentationFile, structuresDisplay


def store(
    node: slicer.vtkMRMLTextNode,
    folder: Path,
    volume: slicer.vtkMRMLScalarVolumeNode,
    frame: slicer.vtkMRMLTransformNode | None,
) -> None:
    """Add the findings that a run located to those of a report, and replace the structures of an earlier run.

    Args:
        node: the report.
        folder: folder that the engine wrote. It contains no file of findings or structures if there are none.
        volume: the volume of the run.
        frame: the transform in whose coordinates the engine works.
    """
    from reg2rg.report import FINDINGS_FILE, STRUCTURES_FILE

    if (folder / FINDINGS_FILE).exists():
        _storeFindings(node, folder / FINDINGS_FILE, volume, frame)
    if (folder / STRUCTURES_FILE).exists():
        structures = structuresDisplay.loadStructures(folder / STRUCTURES_FILE, volume, frame)
        reportNode.setStructures(node, structures)


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
