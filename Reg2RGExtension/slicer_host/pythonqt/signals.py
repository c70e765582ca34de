"""Connecting and disconnecting by signature: ``button.connect("clicked(bool)", f)``."""

from __future__ import annotations

import re
import types
from collections.abc import Callable
from typing import Any

import shiboken6
from PySide6 import QtCore

_VARIADIC = 0x04
"""Flag of a code object that takes ``*arguments``."""

_connections: dict[int, list[tuple[str, Callable[..., Any], Callable[..., None]]]] = {}
"""Address of the sender -> signature, slot, and the wrapper that is connected instead of the slot."""


def bind_connect(qt_class: type) -> None:
    """Replace ``connect`` and ``disconnect``. PySide6 looks these up itself and ignores what the class defines."""
    look_up: Callable[..., Any] = qt_class.__getattribute__
    replacements = {"connect": _connect, "disconnect": _disconnect}

    def __getattribute__(self: QtCore.QObject, name: str) -> Any:
        if name in replacements:
            return types.MethodType(replacements[name], self)
        return look_up(self, name)

    # Replaces a method of the class on purpose.
    qt_class.__getattribute__ = __getattribute__  # type: ignore[method-assign,assignment]


def _connect(self: QtCore.QObject, signature: Any, slot: Any, name: Any = None, *rest: Any) -> bool:
    """Connect a signal: ``connect("clicked()", f)`` or ``connect("clicked()", receiver, "accept()")``.

    PySide6's singleShot calls this function like a static method, passing sender, signal and slot.
    """
    if not isinstance(signature, str):
        return bool(QtCore.QObject.connect(signature, slot, name, *rest))
    if name is not None:
        slot = getattr(slot, name.partition("(")[0])
    signal = _find_signal(self, signature)

    def call(*values: Any) -> None:
        slot(*values[: _count_arguments(slot)])

    address = shiboken6.getCppPointer(self)[0]
    if address not in _connections:
        _connections[address] = []
        self.destroyed.connect(lambda: _connections.pop(address, None))
    _connections[address].append((signature, slot, call))
    return bool(QtCore.QObject.connect(self, signal, call))


def _disconnect(self: QtCore.QObject, signature: str, slot: Callable[..., Any]) -> bool:
    signal = _find_signal(self, signature)
    connections = _connections.get(shiboken6.getCppPointer(self)[0], [])
    for index, (known_signature, known_slot, call) in enumerate(connections):
        if known_signature == signature and known_slot == slot:
            del connections[index]
            return bool(QtCore.QObject.disconnect(self, signal, call))
    return False


def _find_signal(sender: QtCore.QObject, signature: str) -> str:
    """Return the signal with a signature like "clicked(bool)" in the form that QObject.connect expects."""
    python_signature = re.sub(r"\bvtk\w+\s*\*", "PyObject", signature)  # The host's signals pass Python objects.
    # The stubs require bytes, PySide6 requires str.
    normalized = _as_text(QtCore.QMetaObject.normalizedSignature(python_signature))  # type: ignore[arg-type]
    meta = sender.metaObject()
    for method in (meta.method(index) for index in range(meta.methodCount())):
        is_signal = method.methodType() == QtCore.QMetaMethod.MethodType.Signal
        if is_signal and _as_text(method.methodSignature()) == normalized:
            return f"2{normalized}"
    raise ValueError(f"{type(sender).__name__} has no signal {signature!r}; expected a signature like 'clicked(bool)'")


def _as_text(array: QtCore.QByteArray) -> str:
    return bytes(array.data()).decode()


def _count_arguments(slot: Callable[..., Any]) -> int | None:
    """Return the maximum number of arguments that PythonQt passes to a Python function. None: any number."""
    code = getattr(getattr(slot, "__func__", slot), "__code__", None)
    if code is None or code.co_flags & _VARIADIC:
        return None
    return code.co_argcount - int(hasattr(slot, "__self__"))
