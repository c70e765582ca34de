"""Selecting a region in the views: lit up, centred, in the window it is read in."""

from Reg2RGModuleLib import regionsDisplay, regionsGeometry, views


class RegionSelection:
    """The regions of one volume in the views. Points are looked for once; ``forget`` when a segment has changed."""

    def __init__(self, volume, segmentation):
        self._volume = volume
        self._segmentation = segmentation
        self._points = {}

    def select(self, region):
        """Light up a region and go there; None for the calm look of all."""
        if self._segmentation is None:
            return
        regionsDisplay.light(self._segmentation, region)
        if region is None:
            return
        if self._volume is not None:
            from reg2rg.regions import get_region

            views.setWindow(self._volume, get_region(region).window)
        point = self.point(region)
        if point is not None:
            views.centre(point)

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
        self._points = {}
