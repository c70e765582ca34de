"""The classes to which PythonQt's rules apply, and a function to modify them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import shiboken6
from PySide6 import QtCore, QtGui, QtNetwork, QtUiTools, QtWidgets

MODULES = (QtCore, QtGui, QtWidgets, QtNetwork, QtUiTools)


def qt_classes() -> Iterator[type]:
    """Yield every class that PySide6 wraps."""
    for module in MODULES:
        for name in dir(module):
            member = getattr(module, name)
            if isinstance(member, type) and issubclass(member, shiboken6.Shiboken.Object):
                yield member


def is_cpp_class(qt_class: type) -> bool:
    """Return whether a class would be a C++ class in Slicer: one of Qt's, or one that the host supplies."""
    return qt_class.__module__.startswith(("PySide6", "slicer_host"))


def patch(target: type, members: Mapping[str, object]) -> None:
    """Set members of a class."""
    for name, member in members.items():
        setattr(target, name, member)
