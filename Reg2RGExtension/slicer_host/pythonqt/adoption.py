"""Application of PythonQt's rules to PySide6's classes, once per process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from PySide6 import QtCore, QtWidgets

from slicer_host.pythonqt.absent import hide_absent_members
from slicer_host.pythonqt.arguments import adopt_arguments
from slicer_host.pythonqt.classes import patch, qt_classes
from slicer_host.pythonqt.keywords import METHODS_WITHOUT_KEYWORDS, refuse_keywords, without_keywords
from slicer_host.pythonqt.objects import OBJECT_MEMBERS
from slicer_host.pythonqt.properties import child_by_name, make_properties, strict_setattr
from slicer_host.pythonqt.signals import bind_connect

_DIALOGS: dict[type, tuple[str, ...]] = {
    QtWidgets.QFileDialog: ("getOpenFileName", "getOpenFileNames", "getSaveFileName"),
    QtWidgets.QInputDialog: ("getText", "getInt", "getDouble", "getItem", "getMultiLineText"),
}
"""Static methods that in PythonQt return only the first of PySide6's return values."""

_adopted = False


def adopt() -> None:
    """Give PySide6 the semantics of PythonQt. Only the first call has an effect."""
    global _adopted
    if _adopted:
        return
    _adopted = True
    for qt_class in qt_classes():
        refuse_keywords(qt_class)
        if issubclass(qt_class, QtCore.QObject):
            _adopt_object_class(qt_class)
    patch(QtCore.QObject, OBJECT_MEMBERS)
    for executable in (QtWidgets.QDialog, QtWidgets.QMenu, QtWidgets.QApplication, QtCore.QEventLoop):
        patch(executable, {"exec_": executable.exec})
    _adopt_byte_array()
    adopt_arguments()
    hide_absent_members()
    for dialog, names in _DIALOGS.items():
        patch(dialog, {name: staticmethod(_first_value(getattr(dialog, name))) for name in names})
    for owner, names in METHODS_WITHOUT_KEYWORDS.items():
        patch(owner, {name: without_keywords(name, getattr(owner, name)) for name in names})


def _adopt_object_class(qt_class: type[QtCore.QObject]) -> None:
    make_properties(qt_class)
    patch(qt_class, {"__setattr__": strict_setattr, "__getattr__": child_by_name})
    if "__getattribute__" in vars(qt_class):
        bind_connect(qt_class)


def _adopt_byte_array() -> None:
    refused = dict.fromkeys(("__len__", "__getitem__", "__iter__", "__bytes__"), _refuse_sequence)
    patch(QtCore.QByteArray, {"__bool__": _is_not_empty, **refused})


def _is_not_empty(self: QtCore.QByteArray) -> bool:
    return not self.isEmpty()


def _refuse_sequence(self: QtCore.QByteArray, *_: object) -> NoReturn:
    raise TypeError("A QByteArray is not a sequence in PythonQt; use data() and size()")


def _first_value(ask: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments: ask(*arguments)[0]
