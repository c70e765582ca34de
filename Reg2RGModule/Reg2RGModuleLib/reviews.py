"""The reviews of all reports in the scene."""

from __future__ import annotations

from dataclasses import dataclass

import slicer

from Reg2RGModuleLib import reportNode
from Reg2RGModuleLib.review import Review


@dataclass
class _LiveReview:
    """A review, its node, and the text of the node when the two were last in sync."""

    node: slicer.vtkMRMLTextNode
    review: Review
    text: str


class Reviews:
    """One review per report node, shared by the panel and scripts. Every change is stored in the scene immediately."""

    def __init__(self) -> None:
        self._live: dict[str, _LiveReview] = {}

    def of(self, node: slicer.vtkMRMLTextNode) -> Review:
        """Return the review of a report node. If other code has changed the node's text, the review is read again.

        Raises:
            ValueError: the node does not contain a valid review.
        """
        live = self._live.get(node.GetID())
        if live is not None and live.node is node and live.text == node.GetText():
            return live.review
        review = reportNode.read(node)
        live = _LiveReview(node, review, node.GetText())
        self._live[node.GetID()] = live
        review.changed.connect(lambda region: self._store(live))
        return review

    def forget(self) -> None:
        """Forget all reviews, because the scene is closing."""
        self._live = {}

    def _store(self, live: _LiveReview) -> None:
        if self._live.get(live.node.GetID()) is live:
            reportNode.write(live.node, live.review)
            live.text = live.node.GetText()
