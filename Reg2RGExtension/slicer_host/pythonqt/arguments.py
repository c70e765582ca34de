"""Arguments that PythonQt does not convert as PySide6 does: text, and enums as numbers."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from slicer_host.pythonqt.classes import MODULES, patch

_METHODS_WITHOUT_TEXT: dict[type, tuple[str, ...]] = {
    QtWidgets.QAbstractButton: ("setShortcut",),
    QtGui.QAction: ("setShortcut", "setShortcuts", "setFont"),
    QtGui.QShortcut: ("setKey",),
    QtWidgets.QKeySequenceEdit: ("setKeySequence",),
    QtWidgets.QWidget: ("setFont", "grabShortcut"),
    QtWidgets.QTextEdit: ("setTextColor", "setTextBackgroundColor", "setCurrentFont"),
    QtWidgets.QTextBrowser: ("setSource",),
    QtWidgets.QColorDialog: ("setCurrentColor",),
    QtWidgets.QTableWidgetItem: ("setForeground", "setBackground", "setFont"),
    QtWidgets.QListWidgetItem: ("setForeground", "setBackground", "setFont"),
    QtWidgets.QTreeWidgetItem: ("setForeground", "setBackground", "setFont"),
    QtGui.QPainter: ("setPen", "setBrush", "setBackground", "setFont", "fillRect"),
    QtGui.QPalette: ("setColor", "setBrush"),
    QtGui.QPixmap: ("fill",),
    QtGui.QImage: ("fill",),
    QtGui.QPen: ("setColor", "setBrush"),
    QtGui.QBrush: ("setColor",),
    QtGui.QTextFormat: ("setForeground", "setBackground"),
    QtGui.QTextCharFormat: ("setFont", "setUnderlineColor"),
}
"""Methods that take a QKeySequence, QColor, QBrush, QPen, QFont or QUrl, which PySide6 makes of text."""
_CONSTRUCTORS_WITHOUT_TEXT = (QtGui.QShortcut, QtGui.QPen, QtGui.QBrush, QtWidgets.QColorDialog)


def adopt_arguments() -> None:
    """Make PySide6 treat text and enums as PythonQt does."""
    for owner, names in _METHODS_WITHOUT_TEXT.items():
        patch(owner, {name: _without_text(name, getattr(owner, name)) for name in names})
    for owner in _CONSTRUCTORS_WITHOUT_TEXT:
        patch(owner, {"__init__": _without_text(owner.__name__, owner.__init__)})
    open_url = QtGui.QDesktopServices.openUrl
    patch(QtGui.QDesktopServices, {"openUrl": staticmethod(lambda url: open_url(_no_text("openUrl", url)))})
    _refuse_buttons_as_argument()
    for kind in _enums():
        patch(kind, {"__bool__": _is_not_zero})


def text_setter(setter: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that takes a QString, to which PythonQt converts anything: None becomes "None"."""
    return lambda self, value, *rest: setter(self, as_text(value), *rest)


def as_text(value: Any) -> str:
    """Return an argument of type QString as PythonQt passes it on."""
    return value if isinstance(value, str) else str(value)


def _without_text(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    def call(self: object, *arguments: Any, **keywords: Any) -> Any:
        return method(self, *(_no_text(name, argument) for argument in arguments), **keywords)

    return call


def _no_text(name: str, argument: Any) -> Any:
    given = argument if isinstance(argument, (list, tuple)) else [argument]
    if any(isinstance(value, str) for value in given):
        raise ValueError(f"{name}() takes no text in PythonQt; make the object of {argument!r} first")
    return argument


def _refuse_buttons_as_argument() -> None:
    """Refuse ``QDialogButtonBox(Ok | Cancel)``: in PythonQt that is an orientation, and there are no buttons."""
    construct = QtWidgets.QDialogButtonBox.__init__

    def __init__(self: QtWidgets.QDialogButtonBox, *arguments: Any, **keywords: Any) -> None:
        if arguments and isinstance(arguments[0], QtWidgets.QDialogButtonBox.StandardButton):
            raise ValueError("QDialogButtonBox(buttons) has no buttons in PythonQt; use setStandardButtons(buttons)")
        construct(self, *arguments, **keywords)

    patch(QtWidgets.QDialogButtonBox, {"__init__": __init__})


def _enums() -> list[type[enum.Enum]]:
    """Return the enums of Qt, which are numbers in PythonQt: one whose value is 0 is false."""
    owners = [member for module in MODULES for member in vars(module).values() if isinstance(member, type)]
    members = [member for owner in (*owners, QtCore.Qt) for member in vars(owner).values()]
    return [member for member in members if isinstance(member, type) and issubclass(member, enum.Enum)]


def _is_not_zero(self: enum.Enum) -> bool:
    return bool(self.value)
