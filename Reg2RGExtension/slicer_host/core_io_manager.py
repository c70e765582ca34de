"""Reading and writing nodes for slicer.util.loadVolume, loadSegmentation and saveNode."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import slicer
from trame_slicer.core import SlicerApp

if TYPE_CHECKING:
    from slicer import (
        vtkMRMLMessageCollection,
        vtkMRMLNode,
        vtkMRMLScalarVolumeNode,
        vtkMRMLSegmentationNode,
        vtkMRMLStorableNode,
    )
    from vtk import vtkCollection

Properties = dict[str, Any]
"""Options for reading or writing: fileName, name, show, clear, nodeID."""


class CoreIOManager:
    """Reads and writes nodes, like qSlicerCoreIOManager."""

    def __init__(self, app: SlicerApp) -> None:
        self._app = app
        self._readers: dict[str, Callable[[Properties], vtkMRMLNode | None]] = {
            "VolumeFile": self._read_volume,
            "SegmentationFile": self._read_segmentation,
            "SceneFile": self._read_scene,
        }

    def fileType(self, filename: str) -> str:
        """Return the file type with which a file is read, based on its name."""
        name = Path(filename).name.lower()
        if name.endswith((".mrb", ".mrml")):
            return "SceneFile"
        return "SegmentationFile" if ".seg." in name else "VolumeFile"

    def fileWriterFileType(self, node: vtkMRMLStorableNode) -> str:
        """Return the file type with which a node is written."""
        return node.GetClassName()

    def loadNodes(
        self,
        file_type: str,
        properties: Properties,
        loaded: vtkCollection | None = None,
        messages: vtkMRMLMessageCollection | None = None,
    ) -> bool:
        """Read a file into the scene.

        Args:
            file_type: "VolumeFile", "SegmentationFile" or "SceneFile".
            properties: ``fileName``, and optionally ``name`` and ``show`` or, for scenes, ``clear``.
            loaded: Receives the node.
            messages: Receives the error message if reading fails.

        Returns:
            Whether the file was read.
        """
        try:
            node = self._readers[file_type](properties)
        except RuntimeError as error:
            if messages is not None:
                messages.AddMessage(slicer.vtkMRMLMessageCollection.ErrorEvent, str(error))
            return False
        if node is not None and loaded is not None:
            loaded.AddItem(node)
        return True

    def saveNodes(
        self, file_type: str, properties: Properties, messages: vtkMRMLMessageCollection | None = None
    ) -> bool:
        """Write the node with ID ``nodeID`` to ``fileName`` and return whether that succeeded."""
        node: vtkMRMLStorableNode = self._app.scene.GetNodeByID(properties["nodeID"])
        if node.GetStorageNode() is None:
            node.AddDefaultStorageNode(properties["fileName"])
        storage = node.GetStorageNode()
        storage.SetFileName(properties["fileName"])
        return bool(storage.WriteData(node))

    def _read_volume(self, properties: Properties) -> vtkMRMLScalarVolumeNode:
        path = properties["fileName"]
        node = self._app.volumes_logic.AddArchetypeVolume(path, properties.get("name") or _name_without_suffix(path), 0)
        if node is None:
            raise RuntimeError(f"Could not read {path} as a volume.")
        if properties.get("show", True):
            _show_in_slice_views(node)
        return node

    def _read_segmentation(self, properties: Properties) -> vtkMRMLSegmentationNode:
        path = properties["fileName"]
        name = properties.get("name") or _name_without_suffix(path)
        node = self._app.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
        node.AddDefaultStorageNode(path)
        if not node.GetStorageNode().ReadData(node):
            self._app.scene.RemoveNode(node)
            raise RuntimeError(f"Could not read {path} as a segmentation.")
        node.CreateDefaultDisplayNodes()
        return node

    def _read_scene(self, properties: Properties) -> None:
        path = properties["fileName"]
        if properties.get("clear"):
            self._app.scene.Clear(0)
        if path.lower().endswith(".mrb"):
            with tempfile.TemporaryDirectory() as folder:
                opened = self._app.app_logic.OpenSlicerDataBundle(path, folder)
        else:
            self._app.scene.SetURL(path)
            opened = self._app.scene.Import()
        if not opened:
            raise RuntimeError(f"Could not read {path} as a scene.")


def _name_without_suffix(path: str) -> str:
    name = Path(path).name
    for suffix in (".nii.gz", ".seg.nrrd"):
        name = name.removesuffix(suffix)
    return name.rsplit(".", 1)[0] if "." in name else name


def _show_in_slice_views(volume: vtkMRMLScalarVolumeNode) -> None:
    """Show a volume in the background of all slice views, as Slicer does after loading one."""
    app_logic = slicer.app.applicationLogic()
    app_logic.GetSelectionNode().SetActiveVolumeID(volume.GetID())
    app_logic.PropagateVolumeSelection(1)
    if slicer.app.layoutManager() is not None:
        slicer.app.layoutManager().resetSliceViews()
