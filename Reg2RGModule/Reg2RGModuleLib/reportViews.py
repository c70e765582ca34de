"""A report in the views: its volume, regions and findings, the selected section, and clicks on regions."""

from __future__ import annotations

import slicer

from Reg2RGModuleLib import findingsDisplay, otherSegmentations, regionsDisplay, reportNode, views
from Reg2RGModuleLib.regionSelection import RegionSelection
from Reg2RGModuleLib.review import Review
from Reg2RGModuleLib.signal import Signal
from Reg2RGModuleLib.surfaces import FINDINGS_GRID_MM, SurfaceQueue


class ReportViews:
    """Shows one report at a time and hides other segmentations, which would cover it.

    Signals:
        clicked(str): a region was clicked in a view.
        selected(str, object): a section was selected; passes its region and the index of the selected finding or None.
    """

    def __init__(self) -> None:
        self.clicked = Signal()
        self.selected = Signal()
        self.surfaces = SurfaceQueue()
        self.surfaces.finished.connect(self._frameOnce)
        self.findingSurfaces = SurfaceQueue(FINDINGS_GRID_MM)
        self.clicks = views.ClickListener()
        self.clicks.clicked.connect(self.clicked.emit)
        self._node: slicer.vtkMRMLTextNode | None = None
        self._volume: slicer.vtkMRMLScalarVolumeNode | None = None
        self._running: slicer.vtkMRMLScalarVolumeNode | None = None
        self._framed = False
        self._review: Review | None = None
        self._selection = RegionSelection(None, None)
        self._selected: tuple[str, int | None] | None = None
        self._findingsVisible = True

    @property
    def node(self) -> slicer.vtkMRMLTextNode | None:
        """The report that is shown, or None."""
        return self._node

    def setVolume(self, volume: slicer.vtkMRMLScalarVolumeNode | None) -> None:
        """Frame the 3D views when the next surfaces are there, if they are of another volume than before."""
        if volume is not self._volume:
            self._volume, self._framed = volume, False

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
        if volume is not None:
            views.showVolume(volume)
        self._updateFindings()

    def close(self, keep: slicer.vtkMRMLSegmentationNode | None = None) -> None:
        """Hide the report. Surfaces of the segmentation ``keep`` are still completed."""
        self.clicks.stop()
        if keep is None or self.surfaces.segmentation is not keep:
            self.surfaces.stop()
        self.findingSurfaces.stop()
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
        self._selected = (region, findingIndex)
        self._showSelected()
        self.selected.emit(region, findingIndex)

    def frame(self) -> None:
        """Reset the 3D views to show everything, then center all views on the selection again."""
        self._framed = True
        views.resetThreeD()
        self._showSelected()

    def _frameOnce(self) -> None:
        """Frame a volume when its surfaces are there for the first time. Later ones leave the camera where it is."""
        if not self._framed:
            self.frame()

    def _setReview(self, review: Review | None) -> None:
        if self._review is not None:
            self._review.changed.disconnect(self._updateFindings)
        self._review = review
        if review is not None:
            review.changed.connect(self._updateFindings)

    def _updateFindings(self, region: str = "") -> None:
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
        region, findingIndex = self._selected
        findings = self._review.section(region).findings
        if findingIndex is None or findingIndex >= len(findings):
            self._selection.select(region)
        else:
            self._selection.selectFinding(region, findings[findingIndex])

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
