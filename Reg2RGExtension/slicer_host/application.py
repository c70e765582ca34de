"""``slicer.app`` and what modules reach through it: settings, reading and writing of nodes, the module manager."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
from PySide6.QtCore import QObject, QProcessEnvironment, QSettings, Signal
from PySide6.QtWidgets import QApplication


class Application:
    """The names of qSlicerApplication that modules use; Qt's own are looked up in the QApplication."""

    applicationName = "Slicer host"
    majorVersion, minorVersion = 5, 11  # of slicer-core, whose classes the scene consists of
    revision = "host"

    def __init__(self, core: Any, settings_folder: Path, testing: bool) -> None:
        self._core = core
        self._testing = testing
        self._settings = QSettings(str(settings_folder / "Slicer.ini"), QSettings.IniFormat)
        self._modules = ModuleManager()
        self._io = CoreIOManager(core)
        self._layout: Any = None
        self._startup: list[Callable[[], None]] = []
        self._environment = QProcessEnvironment.systemEnvironment()

    def __getattr__(self, name: str) -> Any:
        return getattr(QApplication.instance(), name)

    @property
    def temporaryPath(self) -> str:
        return tempfile.gettempdir()

    @property
    def slicerHome(self) -> str:
        return sys.prefix

    def connect(self, signal: str, slot: Callable[[], None]) -> bool:
        """``startupCompleted()``, which the host's start is: the slot is called when the event loop is next reached."""
        if signal != "startupCompleted()":
            raise ValueError(f"The host's application has no signal {signal!r}")
        self._startup.append(slot)
        return True

    def startup_completed(self) -> None:
        """Tell those who waited for the start."""
        waiting, self._startup = self._startup, []
        for slot in waiting:
            slot()

    def layoutManager(self) -> Any:
        """None without a main window, as in Slicer."""
        return self._layout

    def setLayoutManager(self, layout: Any) -> None:
        self._layout = layout

    def applicationLogic(self) -> Any:
        return self._core.app_logic

    def mrmlScene(self) -> Any:
        return self._core.scene

    def moduleManager(self) -> ModuleManager:
        return self._modules

    def moduleLogic(self, name: str) -> Any:
        return self._core.app_logic.GetModuleLogic(name)

    def coreIOManager(self) -> CoreIOManager:
        return self._io

    ioManager = coreIOManager

    def userSettings(self) -> QSettings:
        return self._settings

    settings = revisionUserSettings = userSettings

    def startupEnvironment(self) -> QProcessEnvironment:
        return self._environment

    def testingEnabled(self) -> bool:
        return self._testing

    def translate(self, context: str, text: str) -> str:
        return text

    def pauseRender(self) -> None:
        for view in self._views():
            view.set_render_blocked(True)

    def resumeRender(self) -> None:
        for view in self._views():
            view.set_render_blocked(False)

    def setRenderPaused(self, paused: bool) -> None:
        (self.pauseRender if paused else self.resumeRender)()

    def _views(self) -> list[Any]:
        if self._layout is None:
            return []
        slices = [self._layout.sliceWidget(name).sliceView() for name in self._layout.sliceViewNames()]
        return [widget._view for widget in (*slices, self._layout.threeDWidget(0).threeDView())]


class ModuleManager(QObject):
    """The modules that are loaded."""

    moduleLoaded = Signal(str)
    moduleAboutToBeUnloaded = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._modules: dict[str, Any] = {}

    def module(self, name: str) -> Any:
        return self._modules.get(name)

    def modulesNames(self) -> tuple[str, ...]:
        return tuple(self._modules)

    def enter(self, module: Any) -> None:
        """Take a loaded module in (Slicer's factory manager does this)."""
        self._modules[module.name] = module
        self.moduleLoaded.emit(module.name)


class CoreIOManager:
    """Reads and writes nodes: what slicer.util.loadVolume, loadSegmentation and saveNode ask."""

    def __init__(self, core: Any) -> None:
        self._core = core
        self._loaders: dict[str, Callable[[dict[str, Any]], Any]] = {
            "VolumeFile": self._volume,
            "SegmentationFile": self._segmentation,
            "SceneFile": self._scene,
        }

    def fileType(self, filename: str) -> str:
        name = str(filename).lower()
        if name.endswith((".mrb", ".mrml")):
            return "SceneFile"
        return "SegmentationFile" if ".seg." in Path(name).name else "VolumeFile"

    def fileWriterFileType(self, node: Any) -> str:
        return node.GetClassName()

    def loadNodes(self, kind: str, properties: dict[str, Any], loaded: Any = None, messages: Any = None) -> bool:
        try:
            node = self._loaders[kind](properties)
        except RuntimeError as error:
            if messages is not None:
                messages.AddMessage(slicer.vtkMRMLMessageCollection.ErrorEvent, str(error))
            return False
        if node is not None and loaded is not None:
            loaded.AddItem(node)
        return True

    def saveNodes(self, kind: str, properties: dict[str, Any], messages: Any = None) -> bool:
        node = self._core.scene.GetNodeByID(properties["nodeID"])
        storage = node.GetStorageNode()
        if storage is None:
            node.AddDefaultStorageNode(properties["fileName"])
            storage = node.GetStorageNode()
        storage.SetFileName(properties["fileName"])
        return bool(storage.WriteData(node))

    def _volume(self, properties: dict[str, Any]) -> Any:
        path = properties["fileName"]
        node = self._core.volumes_logic.AddArchetypeVolume(path, properties.get("name") or _stem(path), 0)
        if node is None:
            raise RuntimeError(f"{path} could not be read as a volume.")
        if properties.get("show", True):
            _show(node)
        return node

    def _segmentation(self, properties: dict[str, Any]) -> Any:
        path = properties["fileName"]
        node = self._core.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", properties.get("name") or _stem(path))
        node.AddDefaultStorageNode(path)
        if not node.GetStorageNode().ReadData(node):
            self._core.scene.RemoveNode(node)
            raise RuntimeError(f"{path} could not be read as a segmentation.")
        node.CreateDefaultDisplayNodes()
        return node

    def _scene(self, properties: dict[str, Any]) -> Any:
        path = properties["fileName"]
        if properties.get("clear"):
            self._core.scene.Clear(0)
        if path.lower().endswith(".mrb"):
            with tempfile.TemporaryDirectory() as folder:
                opened = self._core.app_logic.OpenSlicerDataBundle(path, folder)
        else:
            self._core.scene.SetURL(path)
            opened = self._core.scene.Import()
        if not opened:
            raise RuntimeError(f"{path} could not be read as a scene.")
        return None


def _stem(path: str) -> str:
    name = Path(path).name
    for ending in (".nii.gz", ".seg.nrrd"):
        name = name.removesuffix(ending)
    return name.rsplit(".", 1)[0] if "." in name else name


def _show(volume: Any) -> None:
    """Background of all slice views, as Slicer shows a volume it has read."""
    selection = slicer.app.applicationLogic().GetSelectionNode()
    selection.SetActiveVolumeID(volume.GetID())
    slicer.app.applicationLogic().PropagateVolumeSelection(1)
    if slicer.app.layoutManager() is not None:
        slicer.app.layoutManager().resetSliceViews()
