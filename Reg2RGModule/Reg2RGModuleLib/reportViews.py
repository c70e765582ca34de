"""A report in the views: volume, regions, findings, measurements and prior CT, what is selected, and clicks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import slicer

from Reg2RGModuleLib import (
    findingsDisplay,
    measurementLines,
    otherSegmentations,
    regionsDisplay,
    regionsGeometry,
    reportNode,
    savedReport,
    structuresDisplay,
    transforms,
    views,
)
from Reg2RGModuleLib.measurementLines import MeasurementLines
from Reg2RGModuleLib.priorView import PriorView
from Reg2RGModuleLib.regionSelection import RegionSelection
from Reg2RGModuleLib.review import Review
from Reg2RGModuleLib.segmentWatch import SegmentWatch
from Reg2RGModuleLib.signal import Signal
from Reg2RGModuleLib.surfaces import FINDINGS_GRID_MM, SurfaceQueue

if TYPE_CHECKING:
    from reg2rg.measurements import Measurement


class Selected(NamedTuple):
    """What is selected: a section, one of its findings, or one of its measurements.

    Attributes:
        region: region of the section.
        findingIndex: index of the finding in the section, or None.
        measurement: key of the measurement, or None.
        editable: whether the lines of the measurement can be moved.
        point: a point (RAS) in the coordinates of the report's segmentations, or None.
    """

    region: str
    findingIndex: int | None = None
    measurement: str | None = None
    editable: bool = False
    point: tuple[float, float, float] | None = None


class ReportViews:
    """Shows one report at a time and hides other segmentations, which would cover it.

    Signals:
        clicked(str): a region was clicked in a view.
        selected(Selected): a section, finding or measurement was selected.
    """

    def __init__(self) -> None:
        self.clicked = Signal()
        self.selected = Signal()
        self.surfaces = SurfaceQueue()
        self.surfaces.finished.connect(self._frameOnce)
        self.findingSurfaces = SurfaceQueue(FINDINGS_GRID_MM)
        self.lines = MeasurementLines()
        self.watch = SegmentWatch()
        self.prior = PriorView()
        self.clicks = views.ClickListener()
        self.clicks.clicked.connect(self.clicked.emit)
        self._node: slicer.vtkMRMLTextNode | None = None
        self._volume: slicer.vtkMRMLScalarVolumeNode | None = None
        self._running: slicer.vtkMRMLScalarVolumeNode | None = None
        self._framed = False
        self._review: Review | None = None
        self._selection = RegionSelection(None, None)
        self._selected: Selected | None = None
        self._findingsVisible = True

    @property
    def node(self) -> slicer.vtkMRMLTextNode | None:
        """The report that is shown, or None."""
        return self._node

    @property
    def editing(self) -> bool:
        """Whether the lines of a measurement can be moved."""
        return self._selected is not None and self._selected.editable

    def setVolume(self, volume: slicer.vtkMRMLScalarVolumeNode | None) -> None:
        """Frame the 3D views when the next surfaces are there, if they are of another volume than before."""
        if volume is not self._volume:
            self._volume, self._framed = volume, False

    def showVolume(self, volume: slicer.vtkMRMLScalarVolumeNode) -> None:
        """Show a volume in the slice views, whether it has a report or not."""
        views.showVolume(volume)

    def setRunning(self, volume: slicer.vtkMRMLScalarVolumeNode | None) -> None:
        """Show a volume whose run starts, and hide its segmentations: the report has its own. None: the run ends."""
        self._running = volume
        if volume is not None:
            views.showVolume(volume)
        self._showSegmentations()

    def show(self, node: slicer.vtkMRMLTextNode, review: Review) -> None:
        """Show a report node with its review."""
        volume, segmentation = reportNode.volumeOf(node), reportNode.segmentationOf(node)
        self._setReview(review)
        self._node, self._selected = node, None
        self.setVolume(volume)
        if segmentation is not None:
            regionsDisplay.prepare(segmentation)
            self.surfaces.make(segmentation)
        self._selection = RegionSelection(volume, segmentation)
        self._selection.findPoints(review.regions)
        self.clicks.listen(segmentation)
        self.watch.watch(segmentation)
        if volume is not None:
            views.showVolume(volume)
        self._updateFindings()

    @property
    def canShowPrior(self) -> bool:
        """Whether the prior CT of the report that is shown is in the scene and registered."""
        return (
            self._node is not None
            and self._review is not None
            and slicer.app.layoutManager() is not None
            and reportNode.registrationOf(self._node) is not None
            and savedReport.priorOf(self._node, self._review) is not None
        )

    def showPrior(self, shown: bool) -> None:
        """Show the prior CT below the current one, or hide it."""
        if shown == self.prior.shown or (shown and not self.canShowPrior):
            return
        if shown:
            prior, registration = savedReport.priorOf(self._node, self._review), reportNode.registrationOf(self._node)
            findings = reportNode.findingsOf(self._node)
            self.prior.show(reportNode.volumeOf(self._node), prior, registration, findings)
        else:
            self.prior.hide()
        self._showSelected()

    def close(self, keep: slicer.vtkMRMLSegmentationNode | None = None) -> None:
        """Hide the report. Surfaces of the segmentation ``keep`` are still completed."""
        self.clicks.stop()
        self.prior.hide()
        if keep is None or self.surfaces.segmentation is not keep:
            self.surfaces.stop()
        self.findingSurfaces.stop()
        self.watch.watch(None)
        self._hideMeasurement()
        self._setReview(None)
        self._node = self._selected = None
        self._selection = RegionSelection(None, None)
        self._showSegmentations()

    def forget(self) -> None:
        """Show no report, because the scene is closing. Its nodes are not touched any more."""
        self._running = None
        self.close()
        self.setVolume(None)

    def forgetSegments(self) -> None:
        """Discard everything that was computed from the report's segments, because they have changed."""
        self._selection.forget()

    def setFindingsVisible(self, visible: bool) -> None:
        """Show or hide all findings."""
        self._findingsVisible = visible
        self._showSegmentations()

    def select(self, region: str, findingIndex: int | None = None) -> None:
        """Highlight the region of a section or one of its findings, and center the views on it.

        Args:
            region: region of the section.
            findingIndex: index of a located finding in the section, or None to select the whole section.
        """
        self._select(Selected(region, findingIndex))

    def selectMeasurement(self, key: str, editable: bool = False) -> None:
        """Draw the lines of a measurement or light its structure, and center the views on it.

        Args:
            key: key of the measurement. Nothing happens if the report does not contain it.
            editable: whether the ends of its lines can be moved.
        """
        measurement = self._review.measurement(key) if self._review is not None else None
        if measurement is not None:
            self._select(Selected(measurement.region, None, key, editable))

    def selectPlace(
        self, region: str, point: tuple[float, float, float] | None, priorPoint: tuple[float, float, float] | None
    ) -> None:
        """Center the views on a place that is neither a finding nor a measurement of this CT.

        Args:
            region: region of the section.
            point: where it is in the CT (RAS), in the coordinates of the report's segmentations. None if unknown.
            priorPoint: where it is in the prior CT (RAS). None if unknown.
        """
        registration = reportNode.registrationOf(self._node) if self._node is not None else None
        if point is None and priorPoint is not None and registration is not None:
            point = transforms.pointBetween(registration, registration.GetParentTransformNode(), priorPoint)
        self._select(Selected(region, point=point))

    def drawnMeasurement(self) -> str | None:
        """Return the key of the measurement whose lines are in the scene, such as one that has just been loaded."""
        return measurementLines.keyOf(self._node) if self._node is not None else None

    def frame(self) -> None:
        """Reset the 3D views to show everything, then center all views on the selection again."""
        self._framed = True
        views.resetThreeD()
        self._showSelected()

    def _select(self, selected: Selected) -> None:
        self._selected = selected
        self._showSelected()
        self.selected.emit(selected)

    def _frameOnce(self) -> None:
        """Frame a volume when its surfaces are there for the first time. Later ones leave the camera where it is."""
        if not self._framed:
            self.frame()

    def _setReview(self, review: Review | None) -> None:
        if self._review is not None:
            self._review.changed.disconnect(self._onReviewChanged)
        self._review = review
        if review is not None:
            review.changed.connect(self._onReviewChanged)

    def _onReviewChanged(self, region: str) -> None:
        self._updateFindings()
        selected = self._selected
        if selected is None or selected.measurement is None or self._review is None:
            return
        measurement = self._review.measurement(selected.measurement)
        if measurement is None or measurement.value is None:
            self.select(selected.region)
        else:
            self._drawMeasurement(measurement, selected.editable)

    def _updateFindings(self) -> None:
        """Show the current findings of the review."""
        if self._node is None or self._review is None:
            return
        findings = reportNode.findingsOf(self._node)
        if findings is not None:
            findingsDisplay.prepare(findings)
            self.findingSurfaces.make(findings)
        self._selection.setFindings(findings, self._review.visibleSegments)
        self._showSegmentations()

    def _showSelected(self) -> None:
        if self._selected is None or self._review is None:
            return
        region, findingIndex, key, editable, point = self._selected
        measurement = self._review.measurement(key) if key is not None else None
        if measurement is not None:
            self._selection.selectPoint(measurement.region, self._drawMeasurement(measurement, editable))
            return
        self._hideMeasurement()
        findings = self._review.section(region).findings
        if point is not None:
            self._selection.selectPoint(region, point)
        elif findingIndex is None or findingIndex >= len(findings):
            self._selection.select(region)
        else:
            self._selection.selectFinding(region, findings[findingIndex])

    def _drawMeasurement(self, measurement: Measurement, editable: bool) -> Sequence[float] | None:
        """Draw the lines of a measurement if it has any, or else light the structures it was taken from.

        Returns:
            A point (RAS) on the lines or in the structures, in the coordinates of the report's segmentations. None if
            the measurement was taken from the region as a whole.
        """
        segmentation, structures = reportNode.segmentationOf(self._node), reportNode.structuresOf(self._node)
        highlighted: list[str] = []
        if structures is not None:
            highlighted = [] if measurement.lines else structuresDisplay.segmentsOf(structures, measurement.structures)
            structuresDisplay.highlight(structures, highlighted)
        if not measurement.lines:
            self.lines.remove(self._node)
            middle = highlighted[len(highlighted) // 2] if highlighted else None
            return regionsGeometry.pointInside(structures, middle, inWorld=False) if middle is not None else None
        frame = segmentation.GetParentTransformNode() if segmentation is not None else None
        self.lines.draw(self._node, measurement, frame, editable)
        ends = [end for line in measurement.lines for end in (line.start_ras, line.end_ras)]
        return [sum(values) / len(values) for values in zip(*ends, strict=True)]

    def _hideMeasurement(self) -> None:
        """Remove the lines and hide the structures of the measurement that is shown, unless the scene is closing."""
        self.lines.release()
        if self._node is None or slicer.mrmlScene.IsClosing():
            return
        self.lines.remove(self._node)
        structures = reportNode.structuresOf(self._node)
        if structures is not None:
            structuresDisplay.highlight(structures, [])

    def _showSegmentations(self) -> None:
        if slicer.mrmlScene.IsClosing():
            return
        otherSegmentations.hideFor(reportNode.volumeOf(self._node) if self._node is not None else self._running)
        for node in reportNode.reportNodes():
            isShown = node is self._node
            for segmentation, visible in (
                (reportNode.segmentationOf(node), isShown),
                (reportNode.findingsOf(node), isShown and self._findingsVisible),
            ):
                if segmentation is not None:
                    segmentation.SetDisplayVisibility(visible)
