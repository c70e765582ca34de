"""The prior CT below the current one, aligned with it: the slices of both show the same place and move together."""

from __future__ import annotations

import qt
import slicer
import vtk

from Reg2RGModuleLib import transforms
from Reg2RGModuleLib.signal import Signal

LAYOUT = slicer.vtkMRMLLayoutNode.SlicerLayoutThreeOverThreeView
VIEWS = {"Red": "Red+", "Green": "Green+", "Yellow": "Yellow+"}
"""Slice view of the current CT -> slice view of the prior one."""


class PriorView:
    """Shows a prior CT in the lower three slice views of Slicer's layout "three over three".

    The prior CT itself is left as it is. A copy that shares its voxels is put under the registration. It is neither
    listed in selectors nor saved.

    Signals:
        hidden(): the user chose another layout.
    """

    def __init__(self) -> None:
        self.hidden = Signal()
        self._copy: slicer.vtkMRMLScalarVolumeNode | None = None
        self._layoutBefore = 0
        self._observed: tuple[slicer.vtkMRMLDisplayNode, int] | None = None
        self._findings: slicer.vtkMRMLSegmentationNode | None = None

    @property
    def shown(self) -> bool:
        """Whether a prior CT is shown."""
        return self._copy is not None

    def show(
        self,
        volume: slicer.vtkMRMLScalarVolumeNode,
        prior: slicer.vtkMRMLScalarVolumeNode,
        registration: slicer.vtkMRMLTransformNode,
        findings: slicer.vtkMRMLSegmentationNode | None,
    ) -> None:
        """Show a prior CT.

        Args:
            volume: the current CT.
            prior: the prior CT.
            registration: the transform that brings the prior CT to the current one.
            findings: the findings of the current CT, which would cover those of the prior one.
        """
        layoutManager = slicer.app.layoutManager()
        if layoutManager is None:
            return
        self.hide()
        self._copy = _alignedCopy(prior, registration)
        self._followWindow(volume)
        self._layoutBefore = layoutManager.layout
        layoutManager.setLayout(LAYOUT)
        for above, below in VIEWS.items():
            lower = layoutManager.sliceWidget(below)
            lower.mrmlSliceCompositeNode().SetBackgroundVolumeID(self._copy.GetID())
            lower.mrmlSliceNode().SetViewGroup(layoutManager.sliceWidget(above).mrmlSliceNode().GetViewGroup())
        self._setLinked(True)
        self._findings = findings
        if findings is not None:
            for node in slicer.util.getNodesByClass("vtkMRMLAbstractViewNode"):
                if node.GetLayoutName() not in VIEWS.values():
                    findings.GetDisplayNode().AddViewNodeID(node.GetID())
        layoutManager.connect("layoutChanged(int)", self._onLayoutChanged)
        qt.QTimer.singleShot(0, self._matchSlices)  # once the views have their sizes

    def hide(self) -> None:
        """Show the layout from before, and remove the copy of the prior CT."""
        if self.shown:
            self._end()
            slicer.app.layoutManager().setLayout(self._layoutBefore)

    def _end(self) -> None:
        layoutManager = slicer.app.layoutManager()
        layoutManager.disconnect("layoutChanged(int)", self._onLayoutChanged)
        self._setLinked(False)
        for below in VIEWS.values():
            layoutManager.sliceWidget(below).mrmlSliceNode().SetViewGroup(1)  # as Slicer's layout defines it
        if self._observed is not None:
            display, tag = self._observed
            display.RemoveObserver(tag)
            self._observed = None
        if self._findings is not None and self._findings.GetDisplayNode() is not None:
            self._findings.GetDisplayNode().RemoveAllViewNodeIDs()
        self._findings = None
        copy, self._copy = self._copy, None
        if copy is not None and not slicer.mrmlScene.IsClosing():
            slicer.mrmlScene.RemoveNode(copy)

    def _onLayoutChanged(self, layout: int) -> None:
        if self.shown and layout != LAYOUT:
            self._end()
            self.hidden.emit()

    def _setLinked(self, linked: bool) -> None:
        for name in (*VIEWS, *VIEWS.values()):
            slicer.app.layoutManager().sliceWidget(name).mrmlSliceCompositeNode().SetLinkedControl(linked)

    def _followWindow(self, volume: slicer.vtkMRMLScalarVolumeNode) -> None:
        """Show the prior CT in the window of the current one."""
        display, copy = volume.GetDisplayNode(), self._copy
        if display is None or copy is None:
            return

        def follow(caller: object = None, event: str = "") -> None:
            copy.GetDisplayNode().SetAutoWindowLevel(0)
            copy.GetDisplayNode().SetWindowLevel(display.GetWindow(), display.GetLevel())

        self._observed = display, display.AddObserver(vtk.vtkCommand.ModifiedEvent, follow)
        follow()

    def _matchSlices(self) -> None:
        """Fit the upper views to the current CT, and give the lower ones the same slices."""
        layoutManager = slicer.app.layoutManager()
        if not self.shown or slicer.mrmlScene.IsClosing():
            return
        for above, below in VIEWS.items():
            upper, lower = (layoutManager.sliceWidget(name).mrmlSliceNode() for name in (above, below))
            layoutManager.sliceWidget(above).fitSliceToBackground()
            lower.GetSliceToRAS().DeepCopy(upper.GetSliceToRAS())
            lower.SetFieldOfView(*upper.GetFieldOfView())
            lower.SetXYZOrigin(*upper.GetXYZOrigin())
            lower.UpdateMatrices()


def _alignedCopy(
    prior: slicer.vtkMRMLScalarVolumeNode, registration: slicer.vtkMRMLTransformNode
) -> slicer.vtkMRMLScalarVolumeNode:
    """Add a copy of a prior CT to the scene, as the engine saw it, under its registration."""
    copy = transforms.volumeIn(prior, transforms.frameOf(prior))
    copy.SetName(prior.GetName())
    copy.SetHideFromEditors(1)
    copy.SetSaveWithScene(0)
    slicer.mrmlScene.AddNode(copy)
    copy.CreateDefaultDisplayNodes()
    copy.GetDisplayNode().SetSaveWithScene(0)
    copy.SetAndObserveTransformNodeID(registration.GetID())
    return copy
