"""Refusal of keyword arguments, which PythonQt does not support."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from PySide6 import QtCore, QtWidgets

from slicer_host.pythonqt.virtuals import prepare_overrides

QtClass = TypeVar("QtClass", bound=type)

METHODS_WITHOUT_KEYWORDS: dict[type, tuple[str, ...]] = {
    QtWidgets.QBoxLayout: ("addWidget", "addLayout", "insertWidget", "insertLayout", "addStretch"),
    QtWidgets.QGridLayout: ("addWidget", "addLayout"),
    QtCore.QSettings: ("value",),
    QtCore.QTimer: ("start",),
}
"""Methods that accept keywords in PySide6 and are often called with them."""


def refuse_keywords(qt_class: QtClass) -> QtClass:
    """Make the constructor of a class refuse keyword arguments, as those of C++ classes do. A class decorator."""
    construct: Callable[..., None] = qt_class.__init__  # type: ignore[misc]  # qt_class is the class itself

    def __init__(self: object, *arguments: Any, **keywords: Any) -> None:
        _refuse(qt_class.__name__, keywords)
        if isinstance(self, QtCore.QObject):
            prepare_overrides(type(self))
        construct(self, *arguments)

    qt_class.__init__ = __init__  # type: ignore[misc]
    return qt_class


def without_keywords(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that refuses keyword arguments and otherwise calls the given method."""

    def call(self: object, *arguments: Any, **keywords: Any) -> Any:
        _refuse(name, keywords)
        return method(self, *arguments)

    return call


def _refuse(name: str, keywords: dict[str, Any]) -> None:
    if keywords:
        raise ValueError(f"{name}() takes no keyword arguments in PythonQt, got {', '.join(keywords)}")
