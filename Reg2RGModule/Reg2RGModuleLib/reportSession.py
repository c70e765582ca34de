"""The report that is open in the panel."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from Reg2RGModuleLib import reportNode
from Reg2RGModuleLib.messages import Messages
from Reg2RGModuleLib.recovery import Recovery
from Reg2RGModuleLib.reportLogic import ReportLogic
from Reg2RGModuleLib.review import Review
from Reg2RGModuleLib.signal import Signal


class ReportSession:
    """Opens and closes reports. Every change to the open report is also stored for recovery after a crash.

    Signals:
        opened(Review): a report has been opened.
        closing(): the report is about to be closed; listeners store what the user has typed.
        closed(): the report has been closed.
        changed(Review, str): the section for this region has changed, or the report as a whole if the region is "".
    """

    def __init__(self, logic: ReportLogic, recovery: Recovery, messages: Messages) -> None:
        self.opened = Signal()
        self.closing = Signal()
        self.closed = Signal()
        self.changed = Signal()
        self._logic = logic
        self._recovery = recovery
        self._messages = messages
        self._node: slicer.vtkMRMLTextNode | None = None
        self._review: Review | None = None

    @property
    def node(self) -> slicer.vtkMRMLTextNode | None:
        """The report node, or None if no report is open."""
        return self._node

    @property
    def review(self) -> Review | None:
        """The review of the open report, or None if no report is open."""
        return self._review

    @property
    def locked(self) -> bool:
        """Whether changes are blocked because the report is signed or one of its sections is being regenerated."""
        isSigned = self._review is not None and self._review.signature is not None
        return isSigned or (self._node is not None and self._logic.run.report is self._node)

    def open(self, node: slicer.vtkMRMLTextNode | None) -> None:
        """Open a report and close the previous one. If ``node`` is None, only close."""
        self.close(keep=reportNode.segmentationOf(node) if node is not None else None)
        if node is None:
            return
        try:
            review = self._logic.reviewOf(node)
        except ValueError as error:
            self._messages.warn(str(error))
            return
        self._node, self._review = node, review
        review.changed.connect(self._onChanged)
        self._logic.showReport(node)
        self._store(node, review)
        self.opened.emit(review)

    def close(self, keep: slicer.vtkMRMLSegmentationNode | None = None) -> None:
        """Close the report, if one is open. Surfaces of the segmentation ``keep`` are still completed."""
        self.closing.emit()
        if self._review is not None:
            self._review.changed.disconnect(self._onChanged)
        self._node = self._review = None
        self._logic.views.close(keep)
        self.closed.emit()

    def segmentsChanged(self, node: slicer.vtkMRMLTextNode) -> None:
        """Store the segmentations of a report again, because a run has changed them."""
        self._recovery.discardOf(node)
        if node is self._node and self._review is not None:
            self._store(node, self._review)

    def _onChanged(self, region: str) -> None:
        if self._node is not None and self._review is not None:
            self._store(self._node, self._review)
            self.changed.emit(self._review, region)

    def _store(self, node: slicer.vtkMRMLTextNode, review: Review) -> None:
        """Store a review for recovery. If that fails, show a warning, so that the user can go on with the review."""
        try:
            self._recovery.store(node, review)
        except (OSError, RuntimeError) as error:
            message = _("The review is stored in the scene, but could not be saved for recovery after a crash: {0}")
            self._messages.warn(message.format(error))
