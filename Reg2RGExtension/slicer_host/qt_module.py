"""The module ``qt`` for scripted modules: a flat namespace for all of Qt's modules."""

from __future__ import annotations

import types
from typing import Any

from PySide6 import QtCore, QtGui, QtNetwork, QtUiTools, QtWidgets

from slicer_host import pythonqt, ui_loader

_MODULES = (QtWidgets, QtGui, QtCore, QtNetwork, QtUiTools)
"""Qt's modules, in lookup order."""

ABSENT = {
    "QThread": "Slicer 5.8 does not have it, and Python threads starve in Slicer's event loop; use qt.QProcess",
    "QRegExp": "removed in Qt 6; use qt.QRegularExpression",
    "QDesktopWidget": "removed in Qt 6; use qt.QApplication.primaryScreen",
    "QRunnable": "its run() crashes Slicer; use qt.QProcess",
}
"""Names that a module for Slicer 5.8 to 5.13 must not use -> the reason and the alternative."""


class QtModule(types.ModuleType):
    """Looks up names in PySide6 on first use. As in PythonQt, only names of Qt are available."""

    Signal, Slot, Property = QtCore.Signal, QtCore.Slot, QtCore.Property
    QUiLoader = ui_loader.QUiLoader

    def __getattr__(self, name: str) -> Any:
        """Return a class or namespace of Qt."""
        if name in ABSENT:
            raise AttributeError(f"module 'qt' has no attribute '{name}': {ABSENT[name]}")
        if name == "Qt" or (name[:1] == "Q" and name[1:2].isupper()):
            for module in _MODULES:
                if hasattr(module, name):
                    return getattr(module, name)
        raise AttributeError(f"module 'qt' has no attribute '{name}'")


def make() -> QtModule:
    """Return the module, after giving PySide6 the semantics of PythonQt."""
    pythonqt.adopt()
    return QtModule("qt")
