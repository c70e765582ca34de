"""Reports in folders: written for the engine, which exports them, and read back into the scene."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from Reg2RGModuleLib import regionsDisplay, reportNode, runResults, segmentationFile, transformFile, transforms
from Reg2RGModuleLib.review import Review

if TYPE_CHECKING:
    from reg2rg.report import Geometry


def write(node: slicer.vtkMRMLTextNode, review: Review, folder: Path) -> None:
    """Write a report with its review, segmentations and registration.

    Args:
        node: the report.
        review: its review.
        folder: a folder that does not exist yet.

    Raises:
        RuntimeError: a file could not be written.
    """
    from reg2rg.report import FINDINGS_FILE, PRIOR_TRANSFORM_FILE, REGIONS_FILE, REPORT_FILE, STRUCTURES_FILE

    folder.mkdir()
    (folder / REPORT_FILE).write_text(review.toJson(), encoding="utf-8")
    regions = reportNode.segmentationOf(node)
    frame = transforms.frameOf(reportNode.volumeOf(node), regions)
    for segmentation, name in (
        (regions, REGIONS_FILE),
        (reportNode.findingsOf(node), FINDINGS_FILE),
        (reportNode.structuresOf(node), STRUCTURES_FILE),
    ):
        if segmentation is not None:
            segmentationFile.save(segmentation, folder / name, frame)
    registration = reportNode.registrationOf(node)
    if registration is not None:
        transformFile.save(registration, folder / PRIOR_TRANSFORM_FILE)


def load(folder: Path, volumes: Iterable[slicer.vtkMRMLScalarVolumeNode]) -> slicer.vtkMRMLTextNode:
    """Add the report of a folder to the scene. It replaces the report of its volume, if that has one.

    Args:
        folder: a report folder.
        volumes: volumes that the report may be about, the most likely first.

    Raises:
        RuntimeError: the folder does not contain a valid report, or none of the volumes has its geometry.
    """
    from reg2rg.errors import InputError
    from reg2rg.report import REGIONS_FILE, load_report

    try:
        report = load_report(folder)
    except InputError as error:
        raise RuntimeError(str(error)) from error
    volume = volumeWith(report.provenance.geometry, volumes)
    if volume is None:
        message = _("No volume in the scene has the geometry of this report. Load the CT that it was made from first.")
        raise RuntimeError(message)
    frame = transforms.frameOf(volume)
    segmentation = regionsDisplay.loadRegions(folder / REGIONS_FILE, volume, frame)
    node = reportNode.createReport(volume, segmentation, Review(report))
    runResults.store(node, folder, volume, frame)
    return node


def priorOf(node: slicer.vtkMRMLTextNode, review: Review) -> slicer.vtkMRMLScalarVolumeNode | None:
    """Return the prior CT of a report, or None if it is not in the scene.

    It is found by its geometry if the report is from a folder or was recovered after a crash.
    """
    prior, known = review.record.prior, reportNode.priorOf(node)
    if known is not None or prior is None or prior.geometry is None:
        return known
    current = reportNode.volumeOf(node)
    others = [each for each in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if each is not current]
    return volumeWith(prior.geometry, [each for each in others if not each.GetHideFromEditors()])


def volumeWith(
    geometry: Geometry, volumes: Iterable[slicer.vtkMRMLScalarVolumeNode]
) -> slicer.vtkMRMLScalarVolumeNode | None:
    """Return the first volume with a geometry, or None if there is none."""
    return next((each for each in volumes if (own := geometryOf(each)) is not None and geometry.matches(own)), None)


def geometryOf(volume: slicer.vtkMRMLScalarVolumeNode) -> Geometry | None:
    """Return the voxel grid of a volume as the engine describes it, or None if the volume is empty."""
    from reg2rg.report import Geometry

    if volume.GetImageData() is None:
        return None
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASDirectionMatrix(matrix)
    columns = [[matrix.GetElement(row, column) for column in range(3)] for row in range(3)]
    direction = np.diag([-1.0, -1.0, 1.0]) @ np.array(columns)  # the engine uses LPS
    right, anterior, superior = volume.GetOrigin()
    size, spacing = volume.GetImageData().GetDimensions(), volume.GetSpacing()
    return Geometry(tuple(size), tuple(spacing), (-right, -anterior, superior), tuple(direction.ravel().tolist()))
