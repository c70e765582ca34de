"""Notices when the segments of a report are corrected, which changes what was measured in them."""

from __future__ import annotations

import qt
import slicer

from Reg2RGModuleLib.signal import Signal

PAUSE_MS = 1500
"""Segments count as corrected after this long without another change, such as the next stroke of a brush."""


class SegmentWatch:
    """Watches one segmentation.

    Signals:
        corrected(): masks of the segmentation have changed, and the user has paused.
    """

    def __init__(self) -> None:
        self.corrected = Signal()
        self._segments: slicer.vtkSegmentation | None = None
        self._tag = 0
        self._pause = qt.QTimer()
        self._pause.setSingleShot(True)
        self._pause.setInterval(PAUSE_MS)
        self._pause.connect("timeout()", self.corrected.emit)

    def watch(self, segmentation: slicer.vtkMRMLSegmentationNode | None) -> None:
        """Watch a segmentation instead of the current one. None: watch none."""
        self.forget()
        if self._segments is not None:
            self._segments.RemoveObserver(self._tag)
        self._segments = segmentation.GetSegmentation() if segmentation is not None else None
        if self._segments is not None:
            event = slicer.vtkSegmentation.SourceRepresentationModified
            self._tag = self._segments.AddObserver(event, lambda caller, event: self.delay())

    def delay(self) -> None:
        """Report a change after another pause."""
        self._pause.start()

    def forget(self) -> bool:
        """Do not report the changes so far, and return whether there were any."""
        isPending = self._pause.isActive()
        self._pause.stop()
        return isPending
