"""Connecting and disconnecting, by signature (``button.connect("clicked(bool)", f)``) or by signal."""

from __future__ import annotations

import os
import re
import sys
import types
import weakref
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import shiboken6
from PySide6 import QtCore

_VARIADIC = 0x04
"""Flag of a code object that takes ``*arguments``."""

Slot = Callable[..., Any]
_qt_connect = QtCore.SignalInstance.connect
_qt_disconnect = QtCore.SignalInstance.disconnect


@dataclass
class _Sender:
    """What is connected to an object: signal, slot, and the wrapper that is connected in the slot's place.

    Wrappers hold their slots as PythonQt does, bound methods too, until the sender is destroyed.
    """

    connections: list[tuple[str, Slot, Slot]] = field(default_factory=list)


_senders: dict[int, _Sender] = {}
"""Address of an object -> its connections."""
_owners: dict[int, weakref.ref[QtCore.QObject]] = {}
"""``id`` of a signal -> the object that it was last read from."""
_emitting: Counter[int] = Counter()
"""Address of an object -> how many slots of its signals are running while nothing but Python owns it."""


def bind_connect(qt_class: type) -> None:
    """Replace ``connect`` and ``disconnect``. PySide6 looks these up itself and ignores what the class defines."""
    look_up: Callable[..., Any] = qt_class.__getattribute__
    replacements = {"connect": _connect, "disconnect": _disconnect}

    def __getattribute__(self: QtCore.QObject, name: str) -> Any:
        if name in replacements:
            return types.MethodType(replacements[name], self)
        value = look_up(self, name)
        if type(value) is QtCore.SignalInstance:
            _owners[id(value)] = weakref.ref(self)
        return value

    # Replaces methods of the classes on purpose.
    qt_class.__getattribute__ = __getattribute__  # type: ignore[method-assign,assignment]
    QtCore.SignalInstance.connect = _connect_signal  # type: ignore[method-assign,assignment]
    QtCore.SignalInstance.disconnect = _disconnect_signal  # type: ignore[method-assign,assignment]


def _connect(self: QtCore.QObject, signature: Any, slot: Any, name: Any = None, *rest: Any) -> bool:
    """Connect a signal: ``connect("clicked()", f)`` or ``connect("clicked()", receiver, "accept()")``.

    PySide6's singleShot calls this function like a static method, passing sender, signal and slot.
    """
    if not isinstance(signature, str):
        return bool(QtCore.QObject.connect(signature, slot, name, *rest))
    if name is not None:
        slot = getattr(slot, name.partition("(")[0])
    signal = _find_signal(self, signature)
    return bool(QtCore.QObject.connect(self, signal, _register(self, signature, slot)))


def _disconnect(self: QtCore.QObject, signature: str, slot: Slot) -> bool:
    signal = _find_signal(self, signature)
    call = _take(self, signature, slot)
    return call is not None and bool(QtCore.QObject.disconnect(self, signal, call))


def _connect_signal(self: QtCore.SignalInstance, slot: Any, *rest: Any) -> Any:
    """Connect a signal: ``button.clicked.connect(f)``. A method of Qt gets all arguments, also those it refuses."""
    owner = _owner(self)
    if owner is None or isinstance(slot, QtCore.SignalInstance):
        return _qt_connect(self, slot, *rest)
    if rest:
        raise ValueError("connect() takes no connection type in PythonQt")
    name = _name(self)
    return bool(QtCore.QObject.connect(owner, _first_overload(owner, name), _register(owner, name, slot)))


def _disconnect_signal(self: QtCore.SignalInstance, *slots: Any) -> Any:
    owner = _owner(self)
    if owner is None or not slots or isinstance(slots[0], QtCore.SignalInstance):
        return _qt_disconnect(self, *slots)
    name = _name(self)
    call = _take(owner, name, slots[0])
    return call is not None and bool(QtCore.QObject.disconnect(owner, _first_overload(owner, name), call))


def _owner(signal: QtCore.SignalInstance) -> QtCore.QObject | None:
    reference = _owners.get(id(signal))
    return reference() if reference is not None else None


def _name(signal: QtCore.SignalInstance) -> str:
    """Return the name of a signal, which only its text tells: ``<PySide6.QtCore.SignalInstance clicked() at ...>``."""
    found = re.search(r"(\w+)\(", str(signal))
    assert found is not None
    return found[1]


def _first_overload(sender: QtCore.QObject, name: str) -> str:
    """Return the signal that PythonQt connects by its name alone, in the form that QObject.connect takes."""
    if name == "finished" and isinstance(sender, QtCore.QProcess):
        return "2finished(int)"  # The first one in Qt 5.
    return next(f"2{signature}" for signature in _signals(sender) if signature.partition("(")[0] == name)


def _register(sender: QtCore.QObject, signal: str, slot: Slot) -> Slot:
    """Return what to connect in the place of a slot, which PythonQt passes no more arguments than it takes."""
    address, reference = _address(sender), weakref.ref(sender)
    if address not in _senders:
        _senders[address] = _Sender()
        _qt_connect(sender.destroyed, lambda: _forget(address))

    def call(*values: Any) -> None:
        owned = _is_owned_by_python(reference())
        _emitting[address] += owned
        try:
            slot(*values[: _count_arguments(slot)])
        finally:
            _emitting[address] -= owned

    _senders[address].connections.append((signal, slot, call))
    return call


def _take(sender: QtCore.QObject, signal: str, slot: Slot) -> Slot | None:
    """Return what was connected in the place of a slot, and forget it. None if the slot was not connected so."""
    connections = _senders.get(_address(sender), _Sender()).connections
    for index, (known_signal, known_slot, call) in enumerate(connections):
        if known_signal == signal and known_slot == slot:
            del connections[index]
            return call
    return None


def _forget(address: int) -> None:
    """Forget a destroyed object. If that happened in a slot of its own signal, end as Slicer does: at once."""
    _senders.pop(address, None)
    if _emitting.pop(address, 0) > 0:
        print(
            "A Qt object without a parent was destroyed inside its own signal, because the last reference to it went "
            "away. PythonQt crashes Slicer. Give the object a parent, or call deleteLater() and keep a reference.",
            file=sys.stderr,
            flush=True,
        )
        os.abort()


def _is_owned_by_python(sender: QtCore.QObject | None) -> bool:
    if sender is None or not shiboken6.isValid(sender):
        return False
    return sender.parent() is None and shiboken6.ownedByPython(sender)


def _address(sender: QtCore.QObject) -> int:
    return shiboken6.getCppPointer(sender)[0]


def _find_signal(sender: QtCore.QObject, signature: str) -> str:
    """Return the signal with a signature like "clicked(bool)" in the form that QObject.connect expects."""
    python_signature = re.sub(r"\bvtk\w+\s*\*", "PyObject", signature)  # The host's signals pass Python objects.
    # The stubs require bytes, PySide6 requires str.
    normalized = _as_text(QtCore.QMetaObject.normalizedSignature(python_signature))  # type: ignore[arg-type]
    if normalized in _signals(sender):
        return f"2{normalized}"
    raise ValueError(f"{type(sender).__name__} has no signal {signature!r}; expected a signature like 'clicked(bool)'")


def _signals(sender: QtCore.QObject) -> list[str]:
    """Return the signatures of all signals of an object."""
    meta = sender.metaObject()
    methods = [meta.method(index) for index in range(meta.methodCount())]
    signals = [method for method in methods if method.methodType() == QtCore.QMetaMethod.MethodType.Signal]
    return [_as_text(method.methodSignature()) for method in signals]


def _as_text(array: QtCore.QByteArray) -> str:
    return bytes(array.data()).decode()


def _count_arguments(slot: Slot) -> int | None:
    """Return the maximum number of arguments that PythonQt passes to a Python function. None: any number."""
    code = getattr(getattr(slot, "__func__", slot), "__code__", None)
    if code is None or code.co_flags & _VARIADIC:
        return None
    return code.co_argcount - int(hasattr(slot, "__self__"))
