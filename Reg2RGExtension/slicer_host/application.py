"""``slicer.app`` and what modules access through it."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QProcessEnvironment, QSettings
from PySide6.QtWidgets import QApplication
from trame_slicer.core import SlicerApp

from slicer_host.core_io_manager import CoreIOManager
from slicer_host.dicom_database import DicomDatabase
from slicer_host.module_manager import ModuleManager

if TYPE_CHECKING:
    from slicer import vtkMRMLAbstractLogic, vtkMRMLApplicationLogic, vtkMRMLScene

    from slicer_host.layout_manager import LayoutManager
    from slicer_host.views.vtk_widget import VtkWidget


class Application:
    """The part of qSlicerApplication that modules use. Members of Qt are looked up in the QApplication."""

    applicationName = "Slicer host"
    majorVersion, minorVersion = 5, 11  # The version of slicer-core, which provides the scene's classes.
    revision = "host"

    def __init__(self, app: SlicerApp, settings_folder: Path, testing: bool) -> None:
        self._app = app
        self._testing = testing
        self._settings = QSettings(str(settings_folder / "Slicer.ini"), QSettings.Format.IniFormat)
        self._module_manager = ModuleManager()
        self._io_manager = CoreIOManager(app)
        self._dicom_database = DicomDatabase()
        self._layout_manager: LayoutManager | None = None
        self._startup_slots: list[Callable[[], None]] = []
        self._environment = QProcessEnvironment.systemEnvironment()

    def __getattr__(self, name: str) -> Any:
        """Return a member of the QApplication."""
        return getattr(QApplication.instance(), name)

    @property
    def temporaryPath(self) -> str:
        """Folder for temporary files."""
        return tempfile.gettempdir()

    @property
    def slicerHome(self) -> str:
        """Installation folder. Here, it is Python's."""
        return sys.prefix

    def connect(self, signal: str, slot: Callable[[], None]) -> bool:
        """Connect a function to ``startupCompleted()``, the only signal. It is emitted after a module is loaded."""
        if signal != "startupCompleted()":
            raise ValueError(f"The host's application has no signal {signal!r}; expected 'startupCompleted()'.")
        self._startup_slots.append(slot)
        return True

    def complete_startup(self) -> None:
        """Call each function that is connected to ``startupCompleted()`` once."""
        slots, self._startup_slots = self._startup_slots, []
        for slot in slots:
            slot()

    def layoutManager(self) -> LayoutManager | None:
        """Return the layout manager, or None if there is no main window, as in Slicer."""
        return self._layout_manager

    def setLayoutManager(self, layout_manager: LayoutManager) -> None:
        """Set the layout manager."""
        self._layout_manager = layout_manager

    def applicationLogic(self) -> vtkMRMLApplicationLogic:
        """Return the application logic, which manages the views and the other logics."""
        return self._app.app_logic

    def mrmlScene(self) -> vtkMRMLScene:
        """Return the scene."""
        return self._app.scene

    def moduleManager(self) -> ModuleManager:
        """Return the manager of the loaded modules."""
        return self._module_manager

    def moduleLogic(self, name: str) -> vtkMRMLAbstractLogic:
        """Return the logic of the module with this name."""
        return self._app.app_logic.GetModuleLogic(name)

    def coreIOManager(self) -> CoreIOManager:
        """Return the object that reads and writes nodes."""
        return self._io_manager

    ioManager = coreIOManager

    def dicomDatabase(self) -> DicomDatabase:
        """Return the DICOM database."""
        return self._dicom_database

    def userSettings(self) -> QSettings:
        """Return the settings."""
        return self._settings

    settings = revisionUserSettings = userSettings

    def startupEnvironment(self) -> QProcessEnvironment:
        """Return the environment variables that the application was started with."""
        return self._environment

    def testingEnabled(self) -> bool:
        """Return whether testing mode is on, in which message boxes close by themselves."""
        return self._testing

    def translate(self, context: str, text: str) -> str:
        """Return the text unchanged, because the host has no translations."""
        return text

    def pauseRender(self) -> None:
        """Stop rendering the views."""
        self.setRenderPaused(True)

    def resumeRender(self) -> None:
        """Resume rendering the views."""
        self.setRenderPaused(False)

    def setRenderPaused(self, paused: bool) -> None:
        """Stop or resume rendering the views."""
        for view in self._views():
            view.setRenderPaused(paused)

    def _views(self) -> list[VtkWidget]:
        if self._layout_manager is None:
            return []
        slice_widgets = map(self._layout_manager.sliceWidget, self._layout_manager.sliceViewNames())
        three_d_widget = self._layout_manager.threeDWidget(0)
        views: list[VtkWidget] = [widget.sliceView() for widget in slice_widgets if widget is not None]
        return views if three_d_widget is None else [*views, three_d_widget.threeDView()]
