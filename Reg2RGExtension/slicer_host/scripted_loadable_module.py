"""``slicer.ScriptedLoadableModule``: base classes for the metadata, widget, logic and test of a module."""

from __future__ import annotations

import logging
import sys
import unittest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import slicer
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from slicer import vtkMRMLScriptedModuleNode

    from slicer_host.scripted_module import ScriptedModule

__all__ = [
    "ScriptedLoadableModule",
    "ScriptedLoadableModuleWidget",
    "ScriptedLoadableModuleLogic",
    "ScriptedLoadableModuleTest",
]

TEST_MESSAGE_DELAY_MS = 100


def _resource_path(module_name: str, filename: str) -> str:
    return str(Path(slicer.util.modulePath(module_name)).parent / "Resources" / filename)


class ScriptedLoadableModule:
    """The metadata of a module, which is stored in ``parent``."""

    def __init__(self, parent: ScriptedModule) -> None:
        super().__init__()
        self.parent = parent
        self.moduleName = type(self).__name__
        parent.title = parent.title or self.moduleName
        parent.categories = []
        parent.dependencies = []
        parent.contributors = []
        parent.helpText = ""
        parent.acknowledgementText = ""
        if not hasattr(slicer, "selfTests"):
            slicer.selfTests = {}
        slicer.selfTests[self.moduleName] = self.runTest

    def resourcePath(self, filename: str) -> str:
        """Return the path of a file in the module's Resources folder."""
        return _resource_path(self.moduleName, filename)

    def getDefaultModuleDocumentationLink(self, docPage: str | None = None) -> str:
        """Return an empty string, because the host has no documentation site."""
        return ""

    def runTest(self, msec: int = 100, **kwargs: Any) -> None:
        """Run the module's self-test.

        Args:
            msec: Milliseconds for which the test shows each message.
            **kwargs: Arguments of the test's ``runTest``.
        """
        test = getattr(sys.modules[type(self).__module__], f"{self.moduleName}Test")()
        test.messageDelay = msec
        test.runTest(**kwargs)


class ScriptedLoadableModuleWidget:
    """The panel of a module. ``setup`` fills ``self.layout``."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        settings = slicer.app.userSettings()
        self.developerMode = slicer.util.toBool(settings.value("Developer/DeveloperMode", False))
        self.parent = parent
        if parent is None:
            self.parent = QWidget()
            QVBoxLayout(self.parent)
        self.layout = self.parent.layout()
        slicer.app.moduleManager().connect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)
        if parent is None:
            self.setup()
            self.parent.show()

    def resourcePath(self, filename: str) -> str:
        """Return the path of a file in the module's Resources folder."""
        return _resource_path(self.moduleName, filename)

    def cleanup(self) -> None:
        """Release resources. This is called when the module is unloaded or reloaded."""

    def _onModuleAboutToBeUnloaded(self, moduleName: str) -> None:
        if moduleName == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def setup(self) -> None:
        """Set up the panel. Modules extend this method."""
        if self.developerMode:
            self.setupDeveloperSection()

    def setupDeveloperSection(self) -> None:
        """Add the buttons of the developer mode."""
        row = QHBoxLayout()
        for text, slot in (("Reload", self.onReload), ("Reload and Test", self.onReloadAndTest)):
            button = QPushButton(text)
            button.clicked.connect(lambda checked=False, slot=slot: slot())
            row.addWidget(button)
        self.layout.addLayout(row)

    def onReload(self) -> None:
        """Reload the module's file."""
        slicer.util.reloadScriptedModule(self.moduleName)

    def onTest(self, **kwargs: Any) -> None:
        """Run the module's self-test."""
        with slicer.util.tryWithErrorDisplay("Test failed."):
            slicer.selfTests[self.moduleName](msec=TEST_MESSAGE_DELAY_MS, **kwargs)

    def onReloadAndTest(self, **kwargs: Any) -> None:
        """Reload the module's file, then run its self-test."""
        with slicer.util.tryWithErrorDisplay("Reload and Test failed."):
            self.onReload()
            slicer.selfTests[self.moduleName](msec=TEST_MESSAGE_DELAY_MS, **kwargs)


class ScriptedLoadableModuleLogic:
    """The logic of a module. Its parameters are stored in a vtkMRMLScriptedModuleNode."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.parent = parent
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self) -> Any:
        """Return the module's parameter node in the scene. If there is none, create it."""
        nodes = self.getAllParameterNodes()
        return nodes[0] if nodes else self.createParameterNode()

    def getAllParameterNodes(self) -> list[vtkMRMLScriptedModuleNode]:
        """Return the module's parameter nodes in the scene."""
        nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
        return [node for node in nodes if node.GetAttribute("ModuleName") == self.moduleName]

    def createParameterNode(self) -> vtkMRMLScriptedModuleNode:
        """Add a parameter node to the scene."""
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        if self.isSingletonParameterNode:
            node.SetSingletonTag(self.moduleName)
        node.SetModuleName(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return slicer.mrmlScene.AddNode(node)


class ScriptedLoadableModuleTest(unittest.TestCase):
    """The self-test of a module, run from its panel or by CTest."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.messageDelay = 1000

    def delayDisplay(self, message: str, requestedDelay: int | None = None, msec: int | None = None) -> None:
        """Log a message. Slicer would also display it for a moment."""
        logging.info(message)
        slicer.app.processEvents()

    def runTest(self) -> None:
        """Run every method whose name begins with "test"."""
        for name in dir(self):
            if name.startswith("test"):
                getattr(self, name)()
