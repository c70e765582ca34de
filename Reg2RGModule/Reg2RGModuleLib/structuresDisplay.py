"""Display of the structures that were measured. They are hidden until a measurement of theirs is shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import NodeModify

from Reg2RGModuleLib import regionsGeometry, segmentationFile
from Reg2RGModuleLib.segmentationDisplay import Look, setLooks, showSurfacesAndMasks
from Reg2RGModuleLib.surfaces import REGIONS_GRID_MM, closedSurface

_HIGHLIGHTED = Look(1.0, 0.45, 1.0)
_DECIMATION = 0.5
"""Fraction of the triangles of a structure's surface to remove."""


def loadStructures(
    file: Path | str, volume: slicer.vtkMRMLScalarVolumeNode, frame: slicer.vtkMRMLTransformNode | None
) -> slicer.vtkMRMLSegmentationNode:
    """Load the structures that the engine measured, seen in the coordinates of a transform. They are hidden."""
    node = segmentationFile.load(file, volume, _("{0} structures").format(volume.GetName()), frame)
    prepare(node)
    return node


def prepare(node: slicer.vtkMRMLSegmentationNode) -> None:
    """Show surfaces in 3D and masks in slices, as soon as a structure is highlighted."""
    showSurfacesAndMasks(node)
    node.SetDisplayVisibility(False)


def segmentsOf(node: slicer.vtkMRMLSegmentationNode, names: Iterable[str]) -> list[str]:
    """Return the IDs of the segments that belong to structures or groups of structures.

    Args:
        node: the segmentation of the structures.
        names: names of structures, and of groups such as "right lung".
    """
    from reg2rg.segmentation.structures import GROUPS

    members = {member for name in names for member in (name, *GROUPS.get(name, ()))}
    return [segmentId for segmentId in regionsGeometry.segmentIds(node) if segmentId in members]


def highlight(node: slicer.vtkMRMLSegmentationNode, segmentIds: Sequence[str]) -> None:
    """Show some structures and hide the others. Without any, the segmentation is hidden."""
    display = node.GetDisplayNode()
    if display is None:
        return
    if segmentIds:
        _makeSurfaces(node, segmentIds)
        with NodeModify(display):
            for segmentId in regionsGeometry.segmentIds(node):
                display.SetSegmentVisibility(segmentId, segmentId in segmentIds)
            setLooks(node, lambda segmentId: _HIGHLIGHTED)
    node.SetDisplayVisibility(bool(segmentIds))


def _makeSurfaces(node: slicer.vtkMRMLSegmentationNode, segmentIds: Sequence[str]) -> None:
    """Make the surfaces that these segments lack. The others get empty ones, so that Slicer does not convert them."""
    name = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
    with NodeModify(node):
        for segmentId in regionsGeometry.segmentIds(node):
            segment = node.GetSegmentation().GetSegment(segmentId)
            existing = segment.GetRepresentation(name)
            surface = None
            if segmentId in segmentIds and (existing is None or not existing.GetNumberOfPoints()):
                surface = closedSurface(node, segmentId, _DECIMATION, REGIONS_GRID_MM)
            if surface is None and existing is None:
                surface = vtk.vtkPolyData()
            if surface is not None:
                segment.AddRepresentation(name, surface)
