"""Selecting a region, or a finding in it, in the views: lit up, centred, in the window it is read in."""

from Reg2RGModuleLib import findingsDisplay, regionsDisplay, regionsGeometry, views


class RegionSelection:
    """The regions and findings of one volume in the views.

    Points of regions are looked for once; ``forget`` when a segment has changed, of region or finding.
    """

    def __init__(self, volume, segmentation):
        self._volume = volume
        self._segmentation = segmentation
        self._findings = None
        self._shown = set()
        self._lit = None
        self._points = {}

    def select(self, region):
        """Light up a region and go there; None for the calm look of all."""
        self._lightFinding(None)
        if self._segmentation is None:
            return
        regionsDisplay.light(self._segmentation, region)
        if region is None:
            return
        self._setWindow(region)
        point = self.point(region)
        if point is not None:
            views.centre(point)

    def selectFinding(self, region, finding):
        """Go to a located finding and light it up; one that is no spot lights up its region."""
        location = finding["location"]
        spot = location["focal"] and finding["segment"] in self._shown
        self._lightFinding(finding["segment"] if spot else None)
        if self._segmentation is not None:
            regionsDisplay.light(self._segmentation, region, spot)
        self._setWindow(region)
        views.centre(self._toWorld(location["point_ras"]))

    def setFindings(self, findings, segmentIds):
        """The segmentation of the findings, which may be None, and which of them to show; what is lit stays lit."""
        if findings is not self._findings or set(segmentIds) != self._shown:
            self._findings, self._shown = findings, set(segmentIds)
            if findings is not None:
                findingsDisplay.show(findings, self._shown, self._lit)

    def point(self, region):
        """A point inside the region, RAS; None if it is empty."""
        if region not in self._points:
            segment = self._segmentation.GetSegmentation().GetSegment(region)
            found = regionsGeometry.pointInside(self._segmentation, region) if segment is not None else None
            self._points[region] = found
        return self._points[region]

    def findPoints(self, regions):
        """Look for the points of these regions now, so that selecting them takes no time for it."""
        for region in regions if self._segmentation is not None else ():
            self.point(region)

    def forget(self):
        self._points, self._findings = {}, None

    def _lightFinding(self, segmentId):
        if self._findings is not None and segmentId != self._lit:
            findingsDisplay.show(self._findings, self._shown, segmentId)
            self._lit = segmentId

    def _setWindow(self, region):
        if self._volume is not None:
            from reg2rg.regions import get_region

            views.setWindow(self._volume, get_region(region).window)

    def _toWorld(self, point):
        """A point of the volume, RAS, where the volume is shown: it may lie under a transform."""
        ras = [0.0, 0.0, 0.0]
        if self._volume is None:
            return tuple(point)
        self._volume.TransformPointToWorld(point, ras)
        return tuple(ras)
