"""The host: one application per process, which loads scripted modules."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import types
from pathlib import Path

# Must be set before the first window is created. VTK always renders offscreen, Qt only if there is no display.
os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")) and sys.platform.startswith("linux"):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from slicer_host import qt_module  # noqa: E402 - after the environment

sys.modules["qt"] = qt_module.make()  # From here on, PySide6 has the semantics of PythonQt.

import slicer  # noqa: E402
from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler  # noqa: E402
from PySide6.QtGui import QIcon  # noqa: E402
from PySide6.QtWidgets import QApplication  # noqa: E402

from slicer_host import ctk_module, mrml_widgets  # noqa: E402
from slicer_host.scripted_module import BuiltInModule, ModuleWidget, ScriptedModule  # noqa: E402
from slicer_host.ui_loader import CUSTOM_WIDGETS  # noqa: E402


def start(*, main_window: bool = True, testing: bool = False, settings_folder: Path | None = None) -> None:
    """Start the application: the scene, ``slicer.app`` and, with a main window, the views.

    Args:
        main_window: Whether there is a main window. If not, ``slicer.app.layoutManager()`` is None, as in Slicer with
            --no-main-window.
        testing: Whether message boxes close by themselves, as in Slicer with --testing.
        settings_folder: Folder for the settings. If None, a temporary folder is used.

    Raises:
        RuntimeError: If the host has already been started in this process.
    """
    if hasattr(slicer, "app"):
        raise RuntimeError("The host has already been started; there can be only one application per process.")
    qInstallMessageHandler(_print_qt_message)
    if QApplication.instance() is None:
        QApplication(["slicer_host"])
    _supply_widgets()
    from trame_slicer.core import SlicerApp

    from slicer_host.application import Application

    app = SlicerApp()
    slicer.mrmlScene = app.scene
    slicer.app = Application(app, settings_folder or Path(tempfile.mkdtemp(prefix="slicer_host-")), testing)
    slicer.modules = types.SimpleNamespace()
    for module in (
        BuiltInModule("Segmentations", app.segmentations_logic),
        BuiltInModule("Volumes", app.volumes_logic),
        BuiltInModule("Markups", app.markups_logic),
        BuiltInModule("Terminologies", app.terminologies_logic),
        BuiltInModule("SubjectHierarchy", app.subject_hierarchy_logic),
    ):
        setattr(slicer.modules, module.name.lower(), module)
        slicer.app.moduleManager().register(module)
    slicer.qSlicerScriptedLoadableModule = ScriptedModule
    slicer.qSlicerScriptedLoadableModuleWidget = ModuleWidget
    slicer.moduleNames = types.SimpleNamespace()
    _supply_submodules()
    if main_window:
        from slicer_host.layout_manager import LayoutManager

        slicer.app.setLayoutManager(LayoutManager(app))


def load_module(path: Path) -> ScriptedModule:
    """Load a scripted module.

    Args:
        path: The module's file, or a folder that contains a file of the same name.

    Raises:
        RuntimeError: If there is no such file, or the file does not define a class of the same name. Errors in the
            module's own code are raised unchanged.
    """
    file = path / f"{path.name}.py" if path.is_dir() else path
    if not file.is_file():
        raise RuntimeError(f"{path} is not a scripted module; expected a file {file.name}.")
    name = file.stem
    code = _execute(file)
    if not hasattr(code, name):
        raise RuntimeError(f"Class {name} was not found in {file}.")
    module = ScriptedModule(name, file)
    instance = getattr(code, name)(module)
    if module.icon.isNull():
        module.icon = _read_icon(file.parent / "Resources" / "Icons", name)
    setattr(slicer.modules, name.lower(), module)
    setattr(slicer.modules, f"{name}Instance", instance)
    setattr(slicer.moduleNames, name, name)
    slicer.app.moduleManager().register(module)
    slicer.app.complete_startup()
    return module


def end() -> None:
    """Unload all modules, as Slicer does when it exits."""
    for name in slicer.app.moduleManager().modulesNames():
        slicer.app.moduleManager().moduleAboutToBeUnloaded.emit(name)


def _execute(file: Path) -> types.ModuleType:
    """Import a module's file under its own name, after adding its folder to the import path."""
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{file} is not a Python file.")
    code = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = code
    spec.loader.exec_module(code)
    return code


def _read_icon(folder: Path, name: str) -> QIcon:
    files = [folder / f"{name}.svg", folder / f"{name}.png"]
    return next((QIcon(str(file)) for file in files if file.is_file()), QIcon())


def _print_qt_message(message_type: QtMsgType, context: QMessageLogContext, text: str) -> None:
    """Print Qt's messages, except for one that its offscreen platform prints for every window."""
    if "propagateSizeHints" not in text:
        print(text, file=sys.stderr)


def _supply_widgets() -> None:
    """Add the module ``ctk`` and Slicer's own widgets."""
    sys.modules["ctk"] = ctk_module.make()
    for widget in mrml_widgets.WIDGETS:
        CUSTOM_WIDGETS[widget.__name__] = widget
        setattr(slicer, widget.__name__, widget)


def _supply_submodules() -> None:
    """Add the Python modules of Slicer that slicer-core lacks."""
    from slicer_host import i18n, parameter_nodes, sample_data, scripted_loadable_module

    sys.modules["SampleData"] = sample_data.make()
    submodules = {
        "i18n": i18n,
        "parameterNodeWrapper": parameter_nodes,
        "ScriptedLoadableModule": scripted_loadable_module,
    }
    for name, module in submodules.items():
        sys.modules[f"slicer.{name}"] = module
        setattr(slicer, name, module)
    slicer.util.moduleNames = lambda: list(slicer.app.moduleManager().modulesNames())
