"""The qMRML widgets in use: a container that knows the scene, and the node selector."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Property, Signal, Slot
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QWidget

from slicer_host.pythonqt import refuse_keywords


@refuse_keywords
class qMRMLWidget(QWidget):
    """A container that tells its children which scene they are in."""

    mrmlSceneChanged = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene = None

    @Slot(object)
    def setMRMLScene(self, scene: Any) -> None:
        """Set the scene, the children's too: PySide6 cannot connect mrmlSceneChanged to them, as .ui files ask."""
        self._scene = scene
        self.mrmlSceneChanged.emit(scene)
        for child in self.findChildren(qMRMLNodeComboBox):
            child.setMRMLScene(scene)

    def mrmlScene(self) -> Any:
        return self._scene


def _stored(name: str, kind: Any) -> Property:
    """A property that decides which nodes are listed."""

    def write(self: qMRMLNodeComboBox, value: Any) -> None:
        self._values[name] = value
        self._refresh()

    return Property(kind, lambda self: self._values[name], write)


@refuse_keywords
class qMRMLNodeComboBox(QWidget):
    """Selects a node of the scene."""

    nodeTypes = _stored("nodeTypes", "QStringList")
    showChildNodeTypes = _stored("showChildNodeTypes", bool)
    showHidden = _stored("showHidden", bool)
    noneEnabled = _stored("noneEnabled", bool)
    noneDisplay = _stored("noneDisplay", str)
    addEnabled = _stored("addEnabled", bool)
    removeEnabled = _stored("removeEnabled", bool)
    editEnabled = _stored("editEnabled", bool)
    renameEnabled = _stored("renameEnabled", bool)
    selectNodeUponCreation = _stored("selectNodeUponCreation", bool)
    baseName = _stored("baseName", str)

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
        self._scene: Any = None
        self._attributes: list[tuple[str, str, Any]] = []
        self._observed: list[tuple[Any, int]] = []
        self._told: str = ""
        self._combo = QComboBox(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        self._combo.currentIndexChanged.connect(lambda index: self._tell())
        self.destroyed.connect(lambda: self._forget())

    @Slot(object)
    def setMRMLScene(self, scene: Any) -> None:
        self._forget()
        self._scene = scene
        if scene is not None:
            added, removed = scene.NodeAddedEvent, scene.NodeRemovedEvent
            for event in (added, removed, scene.EndCloseEvent, scene.EndBatchProcessEvent):
                self._observed.append((scene, scene.AddObserver(event, self._scene_changed)))
        self._refresh()

    def mrmlScene(self) -> Any:
        return self._scene

    def currentNode(self) -> Any:
        identifier = self._combo.currentData
        return self._scene.GetNodeByID(identifier) if self._scene is not None and identifier else None

    @Slot(object)
    def setCurrentNode(self, node: Any) -> None:
        self.setCurrentNodeID(node if isinstance(node, str) else node.GetID() if node is not None else "")

    @Slot(str)
    def setCurrentNodeID(self, identifier: str) -> None:
        index = self._combo.findData(identifier or "")
        if index >= 0:
            self._combo.setCurrentIndex(index)
        elif not identifier:
            self._combo.setCurrentIndex(-1)

    @Slot(int)
    def setCurrentNodeIndex(self, index: int) -> None:
        self._combo.setCurrentIndex(index + int(self._values["noneEnabled"]))

    def nodeCount(self) -> int:
        return self._combo.count - int(self._values["noneEnabled"])

    def addAttribute(self, node_type: str, name: str, value: Any = None) -> None:
        """Offer only those nodes of a type that have the attribute (and value)."""
        self._attributes.append((node_type, name, value))
        self._refresh()

    @Slot(result=object)
    def addNode(self, node_type: str = "") -> Any:
        kind = node_type or self._values["nodeTypes"][0]
        node = self._scene.AddNewNodeByClass(kind, self._values["baseName"] or kind.removeprefix("vtkMRML"))
        self.setCurrentNode(node)
        return node

    def _forget(self) -> None:
        for observed, tag in self._observed:
            observed.RemoveObserver(tag)
        self._observed.clear()

    def _scene_changed(self, *_: Any) -> None:
        if self._scene.IsBatchProcessing() or self._scene.IsClosing():
            return
        self._refresh()

    def _nodes(self) -> list[Any]:
        if self._scene is None:
            return []
        nodes = [
            self._scene.GetNthNode(index)
            for index in range(self._scene.GetNumberOfNodes())
            if self._fits(self._scene.GetNthNode(index))
        ]
        return sorted(nodes, key=lambda node: (node.GetName() or "").lower())

    def _fits(self, node: Any) -> bool:
        kinds = self._values["nodeTypes"]
        of_kind = (
            any(node.IsA(kind) for kind in kinds)
            if self._values["showChildNodeTypes"]
            else node.GetClassName() in kinds
        )
        if not of_kind or (node.GetHideFromEditors() and not self._values["showHidden"]):
            return False
        return all(
            node.GetAttribute(name) is not None and (value is None or node.GetAttribute(name) == value)
            for kind, name, value in self._attributes
            if node.IsA(kind)
        )

    def _refresh(self) -> None:
        """Fill the list anew; the selected node stays, else the first one is taken, as Slicer does."""
        selected = self._combo.currentData
        self._combo.blockSignals(True)
        self._combo.clear()
        if self._values["noneEnabled"]:
            self._combo.addItem(self._values["noneDisplay"], "")
        for node in self._nodes():
            self._combo.addItem(node.GetName() or "", node.GetID())
            if not any(observed is node for observed, _ in self._observed):
                tag = node.AddObserver("ModifiedEvent", self._renamed)
                self._observed.append((node, tag))
        index = self._combo.findData(selected) if selected is not None else -1
        self._combo.setCurrentIndex(index if index >= 0 else min(0, self._combo.count - 1))
        self._combo.blockSignals(False)
        self._tell()

    def _renamed(self, node: Any, _event: str) -> None:
        index = self._combo.findData(node.GetID() or "")
        if index >= 0 and node.GetID() and self._combo.itemText(index) != node.GetName():
            self._combo.setItemText(index, node.GetName())

    def _tell(self) -> None:
        identifier = self._combo.currentData or ""
        if identifier == self._told:
            return
        self._told = identifier
        self.currentNodeChanged.emit(self.currentNode())
        self.currentNodeIDChanged.emit(identifier)

    currentNodeID = Property(
        str,
        lambda self: self._combo.currentData or "",
        lambda self, value: self.setCurrentNodeID(value),
        notify=currentNodeIDChanged,
    )
