"""Modules as the application sees them, and the widget that contains a module's panel."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import slicer
from PySide6.QtCore import Property
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QVBoxLayout

from slicer_host.mrml_widgets import qMRMLWidget

if TYPE_CHECKING:
    from slicer import vtkMRMLAbstractLogic, vtkMRMLScene


class BuiltInModule:
    """One of Slicer's own modules, of which the host has only the logic."""

    def __init__(self, name: str, logic: vtkMRMLAbstractLogic) -> None:
        self.name = name
        self._logic = logic

    def logic(self) -> vtkMRMLAbstractLogic:
        """Return the module's logic."""
        return self._logic


class ScriptedModule:
    """A loaded module, like qSlicerScriptedLoadableModule."""

    def __init__(self, name: str, file: Path) -> None:
        self.name = name
        self.path = str(file)
        self.title = ""
        self.categories: Sequence[str] = ()
        self.contributors: Sequence[str] = ()
        self.dependencies: Sequence[str] = ()
        self.associatedNodeTypes: Sequence[str] = ()
        self.helpText = ""
        self.acknowledgementText = ""
        self.icon = QIcon()
        self.hidden = False
        self.index = -1
        self.widgetRepresentationCreationEnabled = True
        self._widget: ModuleWidget | None = None

    def widgetRepresentation(self) -> ModuleWidget:
        """Return the module's panel, which is created on first use."""
        if self._widget is None:
            self._widget = ModuleWidget(self)
            self._widget.reload()
        return self._widget

    def createNewWidgetRepresentation(self) -> ModuleWidget:
        """Return a new panel of the module."""
        widget = ModuleWidget(self)
        widget.reload()
        return widget

    def logic(self) -> vtkMRMLAbstractLogic:
        """Return the module's C++ logic, which is separate from its Python logic."""
        if hasattr(slicer, "vtkSlicerScriptedLoadableModuleLogic"):
            logic = slicer.vtkSlicerScriptedLoadableModuleLogic()
        else:
            logic = slicer.vtkSlicerModuleLogic()
        logic.SetMRMLScene(slicer.mrmlScene)
        return logic

    def setMRMLScene(self, scene: vtkMRMLScene) -> None:
        """Replace the application's scene, as Slicer's generic module tests do."""
        slicer.mrmlScene = scene
        if self._widget is not None:
            self._widget.setMRMLScene(scene)


class ModuleWidget(qMRMLWidget):
    """Contains the panel of a module, like qSlicerScriptedLoadableModuleWidget."""

    def __init__(self, module: ScriptedModule) -> None:
        super().__init__()
        self._module = module
        self._python_widget: Any = None
        self._entered = False
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)

    def self(self) -> Any:
        """Return the module's Python widget."""
        return self._python_widget

    def module(self) -> ScriptedModule:
        """Return the module."""
        return self._module

    def reload(self) -> None:
        """Create a new Python widget from the current version of the class."""
        name = self._module.name
        self._python_widget = getattr(sys.modules[name], f"{name}Widget")(self)
        setattr(slicer.modules, f"{name}Widget", self._python_widget)
        self._python_widget.setup()
        self.setMRMLScene(slicer.mrmlScene)

    def _is_entered(self) -> bool:
        return self._entered

    isEntered = Property(bool, _is_entered)

    def enter(self) -> None:
        """Notify the panel that the user has opened the module."""
        self._entered = True
        if hasattr(self._python_widget, "enter"):
            self._python_widget.enter()

    def exit(self) -> None:
        """Notify the panel that the user has left the module."""
        self._entered = False
        if hasattr(self._python_widget, "exit"):
            self._python_widget.exit()
