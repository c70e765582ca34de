"""A report in the views: its volume, regions and findings, what of them is selected, and clicks on them."""

from Reg2RGModuleLib import findingsDisplay, regionsDisplay, reportNode, views
from Reg2RGModuleLib.regionSelection import RegionSelection
from Reg2RGModuleLib.signal import Signal
from Reg2RGModuleLib.surfaces import FINDINGS_GRID_MM, SurfaceQueue


class ReportViews:
    """Shows one report at a time; segmentations of other reports are hidden.

    Signals:
        clicked(str): a region was clicked in a view.
    """

    def __init__(self):
        self.clicked = Signal()
        self.surfaces = SurfaceQueue()
        self.surfaces.finished.connect(self.frame)
        self.findingSurfaces = SurfaceQueue(FINDINGS_GRID_MM)
        self.clicks = views.ClickListener()
        self.clicks.clicked.connect(self.clicked.emit)
        self._node = None
        self._selection = None
        self._at = None
        self._findingsVisible = True

    def show(self, node, review):
        """Show a report node and its review."""
        volume, segmentation = reportNode.volumeOf(node), reportNode.segmentationOf(node)
        self._node, self._at = node, None
        if segmentation is not None:
            regionsDisplay.prepare(segmentation)
            self.surfaces.make(segmentation)
        self._selection = RegionSelection(volume, segmentation)
        self._selection.findPoints(review.regions)
        self.clicks.listen(segmentation)
        if volume is not None:
            views.showVolume(volume)
        self.followFindings(review)

    def close(self, keep=None):
        """Show no report; the surfaces of the segmentation to be kept go on being made."""
        self.clicks.stop()
        if keep is None or self.surfaces.segmentation is not keep:
            self.surfaces.stop()
        self.findingSurfaces.stop()
        self._node = self._selection = self._at = None
        self._showSegmentations()

    def forget(self):
        """Segments have changed: where regions lie, and how findings look, is to be found anew."""
        self._selection.forget()

    def followFindings(self, review):
        """Show those findings that the review has now; there may be a segmentation of them where there was none."""
        findings = reportNode.findingsOf(self._node)
        if findings is not None:
            findingsDisplay.prepare(findings)
            self.findingSurfaces.make(findings)
        self._selection.setFindings(findings, review.segments)
        self._showSegmentations()

    def setFindingsVisible(self, visible):
        self._findingsVisible = visible
        self._showSegmentations()

    def select(self, region):
        """Light up a region, and go there."""
        self._at = (region, None)
        self._selection.select(region)

    def selectFinding(self, region, finding):
        """Light up a finding that has a place, and go there."""
        self._at = (region, finding)
        self._selection.selectFinding(region, finding)

    def frame(self):
        """All in sight in 3D, and turned back to what is selected."""
        views.lookAtAll()
        if self._at is not None:
            region, finding = self._at
            self._selection.select(region) if finding is None else self._selection.selectFinding(region, finding)

    def _showSegmentations(self):
        for node in reportNode.reportNodes():
            shown = node is self._node
            for segmentation, visible in (
                (reportNode.segmentationOf(node), shown),
                (reportNode.findingsOf(node), shown and self._findingsVisible),
            ):
                if segmentation is not None:
                    segmentation.SetDisplayVisibility(visible)
