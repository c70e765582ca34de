"""Members that every QObject has in PythonQt: its name, its class name, and methods to find children."""

from __future__ import annotations

from typing import TypeAlias

import shiboken6
from PySide6 import QtCore

ClassOrName: TypeAlias = "type[QtCore.QObject] | str"

_qt_find_children = QtCore.QObject.findChildren


def _get_name(self: QtCore.QObject) -> str:
    return self.property("objectName")


def _get_class_name(self: QtCore.QObject) -> str:
    return self.metaObject().className()


def _delete(self: QtCore.QObject) -> None:
    shiboken6.delete(self)


def _find_children(
    self: QtCore.QObject, qt_class: ClassOrName = QtCore.QObject, name: str = ""
) -> list[QtCore.QObject]:
    """Return all descendants of a class (given as a class or by name), optionally only those with this objectName."""
    if isinstance(qt_class, str):
        return [child for child in _find_children(self, QtCore.QObject, name) if child.inherits(qt_class)]
    return _qt_find_children(self, qt_class, name) if name else _qt_find_children(self, qt_class)


def _find_child(self: QtCore.QObject, qt_class: ClassOrName = QtCore.QObject, name: str = "") -> QtCore.QObject | None:
    return next(iter(_find_children(self, qt_class, name)), None)


OBJECT_MEMBERS: dict[str, object] = {
    "__bool__": lambda self: shiboken6.isValid(self),
    "name": property(_get_name, QtCore.QObject.setObjectName),
    "className": _get_class_name,
    "delete": _delete,
    "findChild": _find_child,
    "findChildren": _find_children,
}
"""Name -> member to add to QObject."""
