"""Selection of a region or finding in the views: highlight it, center it, and set its display window."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

import slicer

from Reg2RGModuleLib import findingsDisplay, regionsDisplay, regionsGeometry, views

if TYPE_CHECKING:
    from reg2rg.report import Finding


class RegionSelection:
    """Selects regions and findings of one volume in the views.

    The point on which a region is centered is computed only once. Call ``forget`` after a segment has changed.
    """

    def __init__(
        self, volume: slicer.vtkMRMLScalarVolumeNode | None, segmentation: slicer.vtkMRMLSegmentationNode | None
    ) -> None:
        self._volume = volume
        self._segmentation = segmentation
        self._findings: slicer.vtkMRMLSegmentationNode | None = None
        self._visibleFindings: set[str] = set()
        self._highlightedFinding: str | None = None
        self._points: dict[str, regionsGeometry.Point | None] = {}

    def select(self, region: str) -> None:
        """Highlight a region and center the views on it."""
        self._center(region, self.point(region))
        self._highlightFinding(None)
        if self._segmentation is not None:
            regionsDisplay.highlight(self._segmentation, region)

    def selectFinding(self, region: str, finding: Finding) -> None:
        """Highlight a located finding and center the views on it. If it is not focal, highlight its region instead."""
        location = finding.location
        if location is None:
            self.select(region)
            return
        self._center(region, self._toWorld(location.point_ras))
        isShown = location.focal and finding.segment in self._visibleFindings
        self._highlightFinding(finding.segment if isShown else None)
        if self._segmentation is not None:
            regionsDisplay.highlight(self._segmentation, region, aroundFinding=isShown)

    def selectPoint(self, region: str, point: Sequence[float] | None) -> None:
        """Outline a region, so that what is within it can be seen, and center the views on a point.

        Args:
            region: the region.
            point: a point (RAS) in the coordinates of the segmentation, or None to highlight and center the region.
        """
        if point is None:
            self.select(region)
            return
        self._center(region, self._toWorld(point))
        self._highlightFinding(None)
        if self._segmentation is not None:
            regionsDisplay.highlight(self._segmentation, region, aroundFinding=True)

    def setFindings(self, findings: slicer.vtkMRMLSegmentationNode | None, visible: Collection[str]) -> None:
        """Show findings. The highlighted finding stays highlighted.

        Args:
            findings: the segmentation of the findings, or None if there is none.
            visible: IDs of the segments to show.
        """
        if findings is not self._findings or set(visible) != self._visibleFindings:
            self._findings, self._visibleFindings = findings, set(visible)
            if findings is not None:
                findingsDisplay.show(findings, self._visibleFindings, self._highlightedFinding)

    def point(self, region: str) -> regionsGeometry.Point | None:
        """Return a point inside a region (RAS), or None if the region is empty."""
        if self._segmentation is None:
            return None
        if region not in self._points:
            segment = self._segmentation.GetSegmentation().GetSegment(region)
            found = regionsGeometry.pointInside(self._segmentation, region) if segment is not None else None
            self._points[region] = found
        return self._points[region]

    def findPoints(self, regions: Iterable[str]) -> None:
        """Compute the center points of these regions in advance, so that selecting them is fast."""
        for region in regions:
            self.point(region)

    def forget(self) -> None:
        """Discard everything that was computed from the segments."""
        self._points, self._findings = {}, None

    def _highlightFinding(self, segmentId: str | None) -> None:
        if self._findings is not None and segmentId != self._highlightedFinding:
            findingsDisplay.show(self._findings, self._visibleFindings, segmentId)
            self._highlightedFinding = segmentId

    def _center(self, region: str, point: Sequence[float] | None) -> None:
        """Center the views on a point, if there is one, with the display window of a region.

        This comes before highlighting: views draw in the order in which they are changed, and slices are drawn faster.
        """
        if self._volume is not None:
            from reg2rg.regions import get_region

            views.setWindow(self._volume, get_region(region).window)
        if point is not None:
            views.center(point)

    def _toWorld(self, point: Sequence[float]) -> Sequence[float]:
        """Return where a point of the report (RAS) is shown. It moves with the regions, which may be transformed."""
        node = self._segmentation if self._segmentation is not None else self._volume
        if node is None:
            return point
        ras = [0.0, 0.0, 0.0]
        node.TransformPointToWorld(point, ras)
        return ras
