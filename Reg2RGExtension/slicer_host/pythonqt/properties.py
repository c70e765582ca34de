"""Q_PROPERTYs as attributes, and refusal of new attributes."""

from __future__ import annotations

import enum
import sys
from collections.abc import Callable
from typing import Any

import shiboken6
from PySide6 import QtCore

from slicer_host.pythonqt.arguments import as_text, text_setter
from slicer_host.pythonqt.classes import is_cpp_class

_VIRTUAL_GETTERS = {"sizeHint", "minimumSizeHint", "spacing", "text", "duration"}
"""Properties with a virtual getter. If QObject.property read them, a Python override would call itself."""
_FROM_TEXT = {"QString", "QVariant", "bool"}
"""Types of properties that may be set to text. PythonQt makes no number, color or key sequence of it."""


def _cut(value: Any) -> Any:
    return int(value) if isinstance(value, float) else value


_CONVERTED: dict[str, Callable[[Any], Any]] = {"QString": as_text, "bool": bool, "int": _cut}
"""Type of a property -> how PythonQt converts values of other types, if it accepts them."""
_HIDDEN = {"singleShot"}
"""Properties that PythonQt hides because a static method has the same name."""

_get = QtCore.QObject.property
_set = QtCore.QObject.setProperty
_plain_setattr = shiboken6.Shiboken.Object.__setattr__


def make_properties(qt_class: type[QtCore.QObject]) -> None:
    """Turn the Q_PROPERTYs that a class defines or overrides into attributes."""
    meta: QtCore.QMetaObject = qt_class.staticMetaObject  # type: ignore[attr-defined]  # not in the stubs
    for index in range(meta.propertyCount()):
        name = str(meta.property(index).name())
        if name in _HIDDEN:
            continue
        getter = vars(qt_class).get(name)
        if isinstance(getter, property):  # A class that Qt offers under two names.
            continue
        if index >= meta.propertyOffset() or getter is not None:
            setattr(qt_class, name, _make_attribute(name, getter, meta.property(index)))
            setter = f"set{name[0].upper()}{name[1:]}"
            if str(meta.property(index).typeName()) == "QString" and setter in vars(qt_class):
                setattr(qt_class, setter, text_setter(vars(qt_class)[setter]))


def _make_attribute(name: str, getter: Callable[..., Any] | None, meta: QtCore.QMetaProperty) -> property:
    kind = str(meta.typeName())  # The stubs say bytes.

    def read(self: QtCore.QObject) -> Any:
        return getter(self) if getter is not None and name in _VIRTUAL_GETTERS else _get(self, name)

    def write(self: QtCore.QObject, value: Any) -> None:
        refused = (value is None and kind == "int") or (isinstance(value, str) and kind not in _FROM_TEXT)
        if refused or not _set(self, name, _CONVERTED[kind](value) if kind in _CONVERTED else value):
            raise AttributeError(
                f"Property '{name}' of type '{self.metaObject().className()}' object cannot be set to {value!r}."
            )

    return property(read, write if meta.isWritable() else None)


def strict_setattr(self: QtCore.QObject, name: str, value: Any) -> None:
    """Set an attribute if PythonQt would allow it. This is the ``__setattr__`` of every QObject.

    Raises:
        AttributeError: If a property is read-only or refuses the value, if a plain Qt object has no such attribute, or
            if the name would hide a slot, signal or enum.
    """
    qt_class = type(self)
    known = getattr(qt_class, name, None)
    if isinstance(value, QtCore.QObject) and known is None and _get(value, "objectName") == name:
        return  # PySide6's .ui loader does this, but child_by_name finds the child anyway.
    if isinstance(value, QtCore.SignalInstance):
        _plain_setattr(self, name, value)  # PySide6 stores the signals of an object this way.
    elif isinstance(known, (property, QtCore.Property)):
        if known.fset is None:
            raise AttributeError(f"Property '{name}' of {qt_class.__name__} is read-only")
        known.fset(self, value)
    elif is_cpp_class(qt_class) and not (name.startswith("_") and _is_called_by_the_host()):
        raise AttributeError(
            f"'{name}' does not exist on {qt_class.__name__} and creating new attributes on C++ objects is not allowed"
        )
    elif known is not None and any(name in vars(base) for base in qt_class.__mro__ if is_cpp_class(base)):
        raise AttributeError(f"Cannot assign to '{name}', because it is a slot, signal or enum of {qt_class.__name__}")
    else:
        _plain_setattr(self, name, value)


def _is_called_by_the_host() -> bool:
    """Return whether the code that sets an attribute is the host's own."""
    return str(sys._getframe(2).f_globals.get("__name__")).startswith("slicer_host")


def child_by_name(self: QtCore.QObject, name: str) -> QtCore.QObject | enum.Enum:
    """Return the child with this objectName, or an enum value. This is the ``__getattr__`` of every QObject."""
    if not name.startswith("_"):
        value = getattr(type(self), name, None)
        if isinstance(value, enum.Enum):
            return value
        for child in self.children():
            if _get(child, "objectName") == name:
                return child
    raise AttributeError(f"{type(self).__name__} has no attribute named '{name}'")
