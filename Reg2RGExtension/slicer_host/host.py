"""The host: one application per process, and the loading of scripted modules into it."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

# Set before the first window is made: rendering without a display, and Qt without one where there is none.
os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")) and sys.platform.startswith("linux"):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from slicer_host import qt_module  # noqa: E402  after the environment

sys.modules["qt"] = qt_module.make()  # PySide6 is strict from here on

import slicer  # noqa: E402
from PySide6 import QtCore  # noqa: E402
from PySide6.QtCore import Property  # noqa: E402
from PySide6.QtGui import QIcon  # noqa: E402
from PySide6.QtWidgets import QApplication, QVBoxLayout  # noqa: E402

from slicer_host import ctk_module, mrml_widgets  # noqa: E402


def start(*, main_window: bool = True, testing: bool = False, settings_folder: Path | None = None) -> None:
    """Start the application: the scene, ``slicer.app`` and, with a main window, the views.

    Args:
        main_window: without it ``slicer.app.layoutManager()`` is None, as in Slicer with --no-main-window.
        testing: message boxes answer themselves, as in Slicer with --testing.
        settings_folder: where settings are kept; a temporary folder if None.
    """
    if hasattr(slicer, "app"):
        raise RuntimeError("The host has been started in this process; there is one application per process.")
    QtCore.qInstallMessageHandler(_message)
    QApplication.instance() or QApplication(["slicer_host"])
    sys.modules["ctk"] = ctk_module.make()
    for widget in (mrml_widgets.qMRMLWidget, mrml_widgets.qMRMLNodeComboBox):
        qt_module.CUSTOM_WIDGETS[widget.__name__] = widget
        setattr(slicer, widget.__name__, widget)
    from trame_slicer.core import SlicerApp

    from slicer_host.application import Application

    core = SlicerApp()
    slicer.mrmlScene = core.scene
    slicer.app = Application(core, settings_folder or Path(tempfile.mkdtemp(prefix="slicer_host-")), testing)
    slicer.modules = types.SimpleNamespace(
        segmentations=BuiltInModule("Segmentations", core.segmentations_logic),
        volumes=BuiltInModule("Volumes", core.volumes_logic),
        terminologies=BuiltInModule("Terminologies", core.terminologies_logic),
        subjecthierarchy=BuiltInModule("SubjectHierarchy", core.subject_hierarchy_logic),
    )
    slicer.qSlicerScriptedLoadableModule = ScriptedModule
    slicer.qSlicerScriptedLoadableModuleWidget = ModuleWidget
    slicer.moduleNames = types.SimpleNamespace()
    _supply_submodules()
    if main_window:
        from slicer_host.layout import LayoutManager

        slicer.app.setLayoutManager(LayoutManager(core))


def load_module(path: Path) -> ScriptedModule:
    """Load a scripted module from its file, or from a folder that holds a file of the same name.

    RuntimeError says what is wrong with the file; errors of the module's own code come as they are.
    """
    file = path / f"{path.name}.py" if path.is_dir() else path
    if not file.is_file():
        raise RuntimeError(f"{path} is no scripted module; expected {file.name} in it.")
    name = file.stem
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))
    spec = importlib.util.spec_from_file_location(name, file)
    code = importlib.util.module_from_spec(spec)
    sys.modules[name] = code
    spec.loader.exec_module(code)
    if not hasattr(code, name):
        raise RuntimeError(f"class {name} was not found in file {file}")
    module = ScriptedModule(name, file)
    instance = getattr(code, name)(module)
    module._icon_from(file.parent / "Resources" / "Icons")
    setattr(slicer.modules, name.lower(), module)
    setattr(slicer.modules, f"{name}Instance", instance)
    setattr(slicer.moduleNames, name, name)
    slicer.app.moduleManager().enter(module)
    slicer.app.startup_completed()
    return module


class BuiltInModule:
    """One of Slicer's own modules, of which the host has the logic only."""

    def __init__(self, name: str, logic: Any) -> None:
        self.name = name
        self._logic = logic

    def logic(self) -> Any:
        return self._logic


class ScriptedModule:
    """A loaded module; the names of qSlicerScriptedLoadableModule."""

    def __init__(self, name: str, file: Path) -> None:
        self.name = name
        self.path = str(file)
        self.title = ""
        self.categories: Any = ()
        self.contributors: Any = ()
        self.dependencies: Any = ()
        self.associatedNodeTypes: Any = ()
        self.helpText = self.acknowledgementText = ""
        self.icon = QIcon()
        self.hidden = False
        self.index = -1
        self.widgetRepresentationCreationEnabled = True
        self._widget: ModuleWidget | None = None

    def widgetRepresentation(self) -> ModuleWidget:
        """The module's panel, made when it is first asked for."""
        if self._widget is None:
            self._widget = ModuleWidget(self)
            self._widget.reload()
        return self._widget

    def createNewWidgetRepresentation(self) -> ModuleWidget:
        widget = ModuleWidget(self)
        widget.reload()
        return widget

    def logic(self) -> Any:
        logic = (
            slicer.vtkSlicerScriptedLoadableModuleLogic()
            if hasattr(slicer, "vtkSlicerScriptedLoadableModuleLogic")
            else slicer.vtkSlicerModuleLogic()
        )
        logic.SetMRMLScene(slicer.mrmlScene)
        return logic

    def setMRMLScene(self, scene: Any) -> None:
        """Another scene for the application; Slicer's generic module tests do this."""
        slicer.mrmlScene = scene
        if self._widget is not None:
            self._widget.setMRMLScene(scene)

    def _icon_from(self, folder: Path) -> None:
        for ending in ("svg", "png"):
            file = folder / f"{self.name}.{ending}"
            if self.icon.isNull() and file.is_file():
                self.icon = QIcon(str(file))


class ModuleWidget(mrml_widgets.qMRMLWidget):
    """Holds the panel of a module; the names of qSlicerScriptedLoadableModuleWidget."""

    def __init__(self, module: ScriptedModule) -> None:
        super().__init__()
        self._module = module
        self._python: Any = None
        self._entered = False
        QVBoxLayout(self)
        self.layout().setContentsMargins(0, 0, 0, 0)

    def self(self) -> Any:
        return self._python

    def module(self) -> ScriptedModule:
        return self._module

    def reload(self) -> None:
        """Make the Python widget anew from the class as it is now."""
        name = self._module.name
        self._python = getattr(sys.modules[name], f"{name}Widget")(self)
        setattr(slicer.modules, f"{name}Widget", self._python)
        self._python.setup()
        self.setMRMLScene(slicer.mrmlScene)

    isEntered = Property(bool, lambda self: self._entered)

    def enter(self) -> None:
        self._entered = True
        if hasattr(self._python, "enter"):
            self._python.enter()

    def exit(self) -> None:
        self._entered = False
        if hasattr(self._python, "exit"):
            self._python.exit()


def end() -> None:
    """Unload the modules, as closing Slicer does."""
    for name in slicer.app.moduleManager().modulesNames():
        slicer.app.moduleManager().moduleAboutToBeUnloaded.emit(name)


def _message(kind: Any, context: Any, text: str) -> None:
    """Qt's warnings, less the one that its offscreen platform gives for every window."""
    if "propagateSizeHints" not in text:
        print(text, file=sys.stderr)


def _supply_submodules() -> None:
    from slicer_host import i18n, parameter_node, sample_data, scripted

    sys.modules["SampleData"] = sample_data.make()
    for name, module in (
        ("i18n", i18n),
        ("parameterNodeWrapper", parameter_node),
        ("ScriptedLoadableModule", scripted),
    ):
        sys.modules[f"slicer.{name}"] = module
        setattr(slicer, name, module)
    slicer.util.moduleNames = lambda: list(slicer.app.moduleManager().modulesNames())
