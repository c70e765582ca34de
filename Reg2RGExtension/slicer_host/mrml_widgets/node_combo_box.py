"""qMRMLNodeComboBox: a combo box to select a node in the scene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Property, Signal, Slot
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QWidget

from slicer_host.pythonqt import refuse_keywords

if TYPE_CHECKING:
    from slicer import vtkMRMLNode, vtkMRMLScene


def _stored_property(name: str, value_type: type | str) -> Any:
    """Return a property. When its value changes, the list of nodes is refreshed."""

    def read(self: qMRMLNodeComboBox) -> Any:
        return self._values[name]

    def write(self: qMRMLNodeComboBox, value: Any) -> None:
        self._values[name] = value
        self._refresh()

    return Property(value_type, read, write)  # type: ignore[arg-type]  # the stubs do not allow names of C++ types


@refuse_keywords
class qMRMLNodeComboBox(QWidget):
    """A combo box to select a node in the scene."""

    nodeTypes = _stored_property("nodeTypes", "QStringList")
    showChildNodeTypes = _stored_property("showChildNodeTypes", bool)
    showHidden = _stored_property("showHidden", bool)
    noneEnabled = _stored_property("noneEnabled", bool)
    noneDisplay = _stored_property("noneDisplay", str)
    addEnabled = _stored_property("addEnabled", bool)
    removeEnabled = _stored_property("removeEnabled", bool)
    editEnabled = _stored_property("editEnabled", bool)
    renameEnabled = _stored_property("renameEnabled", bool)
    selectNodeUponCreation = _stored_property("selectNodeUponCreation", bool)
    baseName = _stored_property("baseName", str)

    currentNodeChanged = Signal(object)
    currentNodeIDChanged = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._values: dict[str, Any] = {
            "nodeTypes": [],
            "showChildNodeTypes": True,
            "showHidden": False,
            "noneEnabled": False,
            "noneDisplay": "None",
            "addEnabled": True,
            "removeEnabled": True,
            "editEnabled": False,
            "renameEnabled": False,
            "selectNodeUponCreation": True,
            "baseName": "",
        }
        self._scene: vtkMRMLScene | None = None
        self._attributes: list[tuple[str, str, str | None]] = []
        self._observers: list[tuple[Any, int]] = []
        self._announced_id = ""
        self._combo = QComboBox(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        self._combo.currentIndexChanged.connect(lambda index: self._announce())
        self.destroyed.connect(lambda: self._remove_observers())

    @Slot(object)
    def setMRMLScene(self, scene: vtkMRMLScene | None) -> None:
        """Set the scene whose nodes are listed."""
        self._remove_observers()
        self._scene = scene
        if scene is not None:
            added, removed = scene.NodeAddedEvent, scene.NodeRemovedEvent
            for event in (added, removed, scene.EndCloseEvent, scene.EndBatchProcessEvent):
                self._observers.append((scene, scene.AddObserver(event, self._on_scene_changed)))
        self._refresh()

    def mrmlScene(self) -> vtkMRMLScene | None:
        """Return the scene whose nodes are listed."""
        return self._scene

    def currentNode(self) -> vtkMRMLNode | None:
        """Return the selected node."""
        node_id = self._current_id()
        return self._scene.GetNodeByID(node_id) if self._scene is not None and node_id else None

    @Slot(object)
    def setCurrentNode(self, node: vtkMRMLNode | str | None) -> None:
        """Select a node, given as an object or by its ID. None clears the selection."""
        if node is None:
            self.setCurrentNodeID("")
        else:
            self.setCurrentNodeID(node if isinstance(node, str) else node.GetID())

    @Slot(str)
    def setCurrentNodeID(self, node_id: str) -> None:
        """Select a node by its ID. "" clears the selection."""
        index = self._combo.findData(node_id or "")
        if index >= 0:
            self._combo.setCurrentIndex(index)
        elif not node_id:
            self._combo.setCurrentIndex(-1)

    @Slot(int)
    def setCurrentNodeIndex(self, index: int) -> None:
        """Select a node by its index in the list."""
        self._combo.setCurrentIndex(index + int(self._values["noneEnabled"]))

    def nodeCount(self) -> int:
        """Return the number of nodes in the list."""
        return self._combo.property("count") - int(self._values["noneEnabled"])

    def addAttribute(self, node_type: str, name: str, value: str | None = None) -> None:
        """List nodes of a type only if they have this attribute and, unless ``value`` is None, this value."""
        self._attributes.append((node_type, name, value))
        self._refresh()

    @Slot(result=object)
    def addNode(self, node_type: str = "") -> vtkMRMLNode:
        """Add a node to the scene and select it."""
        assert self._scene is not None
        class_name = node_type or self._values["nodeTypes"][0]
        name = self._values["baseName"] or class_name.removeprefix("vtkMRML")
        node = self._scene.AddNewNodeByClass(class_name, name)
        self.setCurrentNode(node)
        return node

    def _current_id(self) -> str:
        return self._combo.property("currentData") or ""

    def _remove_observers(self) -> None:
        for observed, tag in self._observers:
            observed.RemoveObserver(tag)
        self._observers.clear()

    def _on_scene_changed(self, scene: vtkMRMLScene, _event: str) -> None:
        if not scene.IsBatchProcessing() and not scene.IsClosing():
            self._refresh()

    def _listed_nodes(self) -> list[vtkMRMLNode]:
        if self._scene is None:
            return []
        nodes = [self._scene.GetNthNode(index) for index in range(self._scene.GetNumberOfNodes())]
        return sorted(filter(self._is_listed, nodes), key=lambda node: (node.GetName() or "").lower())

    def _is_listed(self, node: vtkMRMLNode) -> bool:
        if not self._has_listed_type(node) or (node.GetHideFromEditors() and not self._values["showHidden"]):
            return False
        return all(
            node.GetAttribute(name) is not None and (value is None or node.GetAttribute(name) == value)
            for node_type, name, value in self._attributes
            if node.IsA(node_type)
        )

    def _has_listed_type(self, node: vtkMRMLNode) -> bool:
        node_types = self._values["nodeTypes"]
        if self._values["showChildNodeTypes"]:
            return any(node.IsA(node_type) for node_type in node_types)
        return node.GetClassName() in node_types

    def _refresh(self) -> None:
        """Refill the list. If the selected node is no longer listed, none is selected, as in Slicer."""
        selected = self._combo.property("currentData")
        self._combo.blockSignals(True)
        self._combo.clear()
        if self._values["noneEnabled"]:
            self._combo.addItem(self._values["noneDisplay"], "")
        for node in self._listed_nodes():
            self._combo.addItem(node.GetName() or "", node.GetID())
            if not any(observed is node for observed, _ in self._observers):
                self._observers.append((node, node.AddObserver("ModifiedEvent", self._on_node_modified)))
        self._combo.setCurrentIndex(self._combo.findData(selected or ""))
        self._combo.blockSignals(False)
        self._announce()

    def _on_node_modified(self, node: vtkMRMLNode, _event: str) -> None:
        """Update the name of a node in the list."""
        index = self._combo.findData(node.GetID() or "")
        if index >= 0 and node.GetID() and self._combo.itemText(index) != node.GetName():
            self._combo.setItemText(index, node.GetName())

    def _announce(self) -> None:
        """Emit the signals if the selection has changed since they were last emitted."""
        node_id = self._current_id()
        if node_id == self._announced_id:
            return
        self._announced_id = node_id
        self.currentNodeChanged.emit(self.currentNode())
        self.currentNodeIDChanged.emit(node_id)

    currentNodeID = Property(str, _current_id, setCurrentNodeID, notify=currentNodeIDChanged)
