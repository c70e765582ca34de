"""Members of PySide6's classes that PythonQt does not have."""

from __future__ import annotations

from typing import NoReturn

from PySide6 import QtCore, QtGui, QtWidgets

from slicer_host.pythonqt.classes import patch

_ABSENT: dict[type, tuple[str, ...]] = {
    QtGui.QColor: ("getRgb", "getRgbF", "getHsv", "getHsvF", "getCmyk", "getHsl"),
    QtGui.QImage: ("sizeInBytes",),
    QtCore.QRect: ("getRect", "getCoords"),
    QtCore.QRectF: ("getRect", "getCoords"),
    QtWidgets.QLayout: ("getContentsMargins",),
    QtWidgets.QWidget: ("find",),
}
"""Methods with several results, which are arguments in C++, and methods that not every version has."""


class _Absent:
    """A member that does not exist."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, owner: object, owner_type: type) -> NoReturn:
        raise AttributeError(f"{owner_type.__name__} has no attribute named '{self._name}' in PythonQt")


def hide_absent_members() -> None:
    """Hide what PythonQt does not have, from methods to the choice of a signal's overload by a type."""
    for owner, names in _ABSENT.items():
        patch(owner, {name: _Absent(name) for name in names})
    patch(QtCore.SignalInstance, {"__getitem__": _refuse_overload})
    add_items = QtWidgets.QComboBox.addItems
    patch(QtWidgets.QComboBox, {"addItems": lambda self, texts: add_items(self, _as_list(texts))})


def _refuse_overload(self: QtCore.SignalInstance, types: object) -> NoReturn:
    raise TypeError("A signal is not subscriptable in PythonQt; use connect('name(type)', slot)")


def _as_list(texts: object) -> list[str] | tuple[str, ...]:
    if not isinstance(texts, (list, tuple)):
        raise ValueError(f"A list of texts is a list or tuple in PythonQt, got {texts!r}")
    return texts
