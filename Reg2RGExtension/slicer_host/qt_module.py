"""The module ``qt`` as a scripted module sees it: one flat namespace over Qt's own modules."""

from __future__ import annotations

import types
from typing import Any
from xml.etree import ElementTree

from PySide6 import QtCore, QtGui, QtNetwork, QtUiTools, QtWidgets

from slicer_host import pythonqt

_MODULES = (QtWidgets, QtGui, QtCore, QtNetwork, QtUiTools)

CUSTOM_WIDGETS: dict[str, type] = {}
"""Class name in a .ui file -> class, for widgets that are not Qt's; ctk and qMRML widgets enter themselves here."""


class QUiLoader(QtUiTools.QUiLoader):
    """Makes the custom widgets of .ui files. An unknown one fails, where Qt would put a plain QWidget.

    Connections that carry VTK objects are left out: PySide6 cannot make them; qMRMLWidget hands the scene on itself.
    """

    def load(self, device: Any, parent: Any = None) -> Any:
        tree = ElementTree.fromstring(device.readAll().data())
        connections = tree.find("connections")
        for connection in list(connections) if connections is not None else ():
            if "vtk" in connection.findtext("signal", ""):
                connections.remove(connection)
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(tree))
        return QtUiTools.QUiLoader.load(self, buffer, parent)

    def createWidget(self, kind: str, parent: Any = None, name: str = "") -> Any:
        if kind in CUSTOM_WIDGETS:
            widget = CUSTOM_WIDGETS[kind](parent)
            widget.setObjectName(name)
            return widget
        if kind not in self.availableWidgets():
            known = ", ".join(sorted(CUSTOM_WIDGETS))
            raise RuntimeError(f"The host has no widget {kind}; it has {known} beside Qt's.")
        return QtUiTools.QUiLoader.createWidget(self, kind, parent, name)


ABSENT = {
    "QThread": "Slicer 5.8's PythonQt has none, and Python threads starve in Slicer's event loop; use qt.QProcess",
    "QRegExp": "gone with Qt 6; use qt.QRegularExpression",
    "QDesktopWidget": "gone with Qt 6; use qt.QApplication.primaryScreen",
    "QRunnable": "its run() crashes Slicer; use qt.QProcess",
}
"""What PySide6 has or people expect, and a module that is to run in Slicer 5.8 to 5.13 must not use."""


class QtModule(types.ModuleType):
    """Looks names up in PySide6 when they are asked for; only Qt's own names, as PythonQt's."""

    Signal, Slot, Property = QtCore.Signal, QtCore.Slot, QtCore.Property
    QUiLoader = QUiLoader

    def __getattr__(self, name: str) -> Any:
        if name in ABSENT:
            raise AttributeError(f"module 'qt' has no attribute '{name}': {ABSENT[name]}")
        if name == "Qt" or (name[:1] == "Q" and name[1:2].isupper()):
            for module in _MODULES:
                if hasattr(module, name):
                    return getattr(module, name)
        raise AttributeError(f"module 'qt' has no attribute '{name}'")


def make() -> QtModule:
    """The module, with PySide6 made strict."""
    pythonqt.adopt()
    return QtModule("qt")
