"""PySide6 with PythonQt's semantics: what a module in Slicer may write works, what fails there fails here.

``adopt()`` changes PySide6's classes in place, because objects that Qt itself hands out must obey as well:

- a Q_PROPERTY is an attribute, never a call: ``label.text``, ``spin.value = 3``;
- a plain Qt object takes no new attributes, a Python subclass none that is a slot, signal or enum of its class;
- neither constructors nor methods of ours take keyword arguments;
- ``object.connect("clicked(bool)", f)``, ``object.name``, ``object.className()``, children by their objectName;
- file and input dialogs return what was chosen alone, not with a filter or a flag;
- layouts, timers and settings take no keyword arguments, as PySide6's do;
- QByteArray has ``data()`` and ``size()``, neither ``len`` nor ``bytes`` nor indices;
- exceptions in slots are printed and the caller goes on (PySide6 does that itself).

Rules and measurements: PythonQt as Slicer embeds it, measured statement by statement (../shared/reference/slicer_api).
Not imitated, so lints look for them: flat isinstance, tuples for lists, ints for enums, str() of any argument.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterator
from typing import Any

import shiboken6
from PySide6 import QtCore, QtGui, QtNetwork, QtUiTools, QtWidgets

MODULES = (QtCore, QtGui, QtWidgets, QtNetwork, QtUiTools)

_VIRTUAL = {"sizeHint", "minimumSizeHint"}
"""Properties whose getter is virtual: read through QObject.property, a Python override would call itself."""
_HIDDEN = {"singleShot"}
"""Properties that PythonQt does not show, because a static method has their name."""
_get = QtCore.QObject.property
_set = QtCore.QObject.setProperty
_children_of = QtCore.QObject.findChildren
_plain_setattr = shiboken6.Shiboken.Object.__setattr__
_adopted = False

_ONLY_CHOSEN = {
    QtWidgets.QFileDialog: ("getOpenFileName", "getOpenFileNames", "getSaveFileName"),
    QtWidgets.QInputDialog: ("getText", "getInt", "getDouble", "getItem", "getMultiLineText"),
}
"""Static methods of which PythonQt returns the first of PySide6's values."""
_WITHOUT_KEYWORDS = {
    QtWidgets.QBoxLayout: ("addWidget", "addLayout", "insertWidget", "insertLayout", "addStretch"),
    QtWidgets.QGridLayout: ("addWidget", "addLayout"),
    QtCore.QSettings: ("value",),
    QtCore.QTimer: ("start",),
}
"""Methods that PySide6 lets be called with keywords, and that people do."""


def adopt() -> None:
    """Change PySide6's classes, once per process."""
    global _adopted
    if _adopted:
        return
    _adopted = True
    for kind in _classes():
        refuse_keywords(kind)
        if issubclass(kind, QtCore.QObject):
            _make_properties(kind)
            kind.__setattr__ = _strict_setattr
            kind.__getattr__ = _child_by_name
            if "__getattribute__" in kind.__dict__:
                _bind_connect(kind)
    QtCore.QObject.name = property(lambda self: _get(self, "objectName"), QtCore.QObject.setObjectName)
    QtCore.QObject.className = lambda self: self.metaObject().className()
    QtCore.QObject.delete = lambda self: shiboken6.delete(self)
    QtCore.QObject.findChild = _find_child
    QtCore.QObject.findChildren = _find_children
    for kind in (QtWidgets.QDialog, QtWidgets.QMenu, QtWidgets.QApplication):
        kind.exec_ = kind.exec
    QtCore.QByteArray.__bool__ = lambda self: not self.isEmpty()
    for name in ("__len__", "__getitem__", "__iter__", "__bytes__"):
        setattr(QtCore.QByteArray, name, _no_sequence)
    for kind, names in _ONLY_CHOSEN.items():
        for name in names:
            setattr(kind, name, staticmethod(_first_of(getattr(kind, name))))
    for kind, names in _WITHOUT_KEYWORDS.items():
        for name in names:
            setattr(kind, name, _without_keywords(name, getattr(kind, name)))


def _no_sequence(self: QtCore.QByteArray, *_: Any) -> None:
    raise TypeError("A QByteArray is no sequence in PythonQt; use data() and size()")


def _first_of(ask: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments: ask(*arguments)[0]


def _without_keywords(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    def call(self: Any, *arguments: Any, **keywords: Any) -> Any:
        if keywords:
            raise ValueError(f"{name}() takes no keyword arguments in PythonQt, got {', '.join(keywords)}")
        return method(self, *arguments)

    return call


def is_plain(kind: type) -> bool:
    """Whether a class is a C++ class for the module: Qt's own, or one that the host supplies in its place."""
    return kind.__module__.startswith(("PySide6", "slicer_host"))


def _classes() -> Iterator[type]:
    for module in MODULES:
        for name in dir(module):
            kind = getattr(module, name)
            if isinstance(kind, type) and issubclass(kind, shiboken6.Shiboken.Object):
                yield kind


def _make_properties(kind: type) -> None:
    meta = kind.staticMetaObject
    for index in range(meta.propertyCount()):
        name = meta.property(index).name()
        own = kind.__dict__.get(name)
        if name in _HIDDEN:
            continue
        if index >= meta.propertyOffset() or (own is not None and not isinstance(own, property)):
            setattr(kind, name, _attribute(name, own, meta.property(index).isWritable()))


def _bind_connect(kind: type) -> None:
    """Make ``object.connect`` ours: PySide6 looks its own up for objects, whatever the class says."""
    look_up = kind.__getattribute__
    ours = {"connect": _connect, "disconnect": _disconnect}

    def __getattribute__(self: QtCore.QObject, name: str) -> Any:
        return types.MethodType(ours[name], self) if name in ours else look_up(self, name)

    kind.__getattribute__ = __getattribute__


def _attribute(name: str, method: Any, writable: bool) -> property:
    if name in _VIRTUAL and method is not None:
        return property(lambda self: method(self))

    def write(self: QtCore.QObject, value: Any) -> None:
        if not _set(self, name, value):
            raise AttributeError(
                f"Property '{name}' of type '{self.metaObject().className()}' object cannot be set to {value!r}."
            )

    return property(lambda self: _get(self, name), write if writable else None)


def _strict_setattr(self: QtCore.QObject, name: str, value: Any) -> None:
    kind = type(self)
    known = getattr(kind, name, None)
    if isinstance(value, QtCore.QObject) and known is None and _get(value, "objectName") == name:
        return  # PySide6's loader of .ui files does this; _child_by_name finds the child anyway
    if isinstance(value, QtCore.SignalInstance):
        _plain_setattr(self, name, value)  # PySide6 keeps an object's signals this way
    elif isinstance(known, (property, QtCore.Property)):
        if known.fset is None:
            raise AttributeError(f"Property '{name}' of {kind.__name__} is read-only")
        known.fset(self, value)
    elif is_plain(kind) and not name.startswith("_"):
        raise AttributeError(
            f"'{name}' does not exist on {kind.__name__} and creating new attributes on C++ objects is not allowed"
        )
    elif known is not None and any(name in base.__dict__ for base in kind.__mro__ if is_plain(base)):
        raise AttributeError(f"Cannot assign to '{name}', it is a slot, signal or enum of {kind.__name__}")
    else:
        _plain_setattr(self, name, value)


def _child_by_name(self: QtCore.QObject, name: str) -> Any:
    if not name.startswith("_"):
        for child in self.children():
            if _get(child, "objectName") == name:
                return child
    raise AttributeError(f"{type(self).__name__} has no attribute named '{name}'")


def refuse_keywords(kind: type) -> type:
    """Class decorator: the constructor takes positional arguments only, as those of C++ classes."""
    construct = kind.__init__

    def __init__(self: Any, *arguments: Any, **keywords: Any) -> None:
        if keywords:
            raise ValueError(f"{kind.__name__}() takes no keyword arguments in PythonQt, got {', '.join(keywords)}")
        construct(self, *arguments)

    kind.__init__ = __init__
    return kind


def _find_children(self: QtCore.QObject, kind: type | str = QtCore.QObject, name: str = "") -> list[QtCore.QObject]:
    """All descendants of a class, given as the class or its name, and of an objectName if there is one."""
    if not isinstance(kind, str):
        return _children_of(self, kind, name) if name else _children_of(self, kind)
    return [child for child in _find_children(self, QtCore.QObject, name) if child.inherits(kind)]


def _find_child(self: QtCore.QObject, kind: type | str = QtCore.QObject, name: str = "") -> QtCore.QObject | None:
    return next(iter(_find_children(self, kind, name)), None)


def _signal(sender: QtCore.QObject, signature: str) -> str:
    """The signal of a signature like "clicked(bool)", as Qt's own connect names it."""
    of_python = re.sub(r"\bvtk\w+\s*\*", "PyObject", signature)  # how the host's widgets carry nodes
    normal = QtCore.QMetaObject.normalizedSignature(of_python).data().decode()
    meta = sender.metaObject()
    for method in (meta.method(index) for index in range(meta.methodCount())):
        if method.methodType() == QtCore.QMetaMethod.Signal and method.methodSignature().data().decode() == normal:
            return f"2{normal}"
    raise ValueError(f"{type(sender).__name__} has no signal {signature!r}; expected a signature like 'clicked(bool)'")


_connections: dict[int, list[tuple[str, Callable[..., Any], Callable[..., None]]]] = {}
"""Address of the sender -> signature, slot and what is connected in the slot's place."""


def _connect(self: QtCore.QObject, signature: Any, slot: Any, name: Any = None, *rest: Any) -> bool:
    """``connect("clicked()", f)`` or ``connect("clicked()", receiver, "accept()")``.

    PySide6's singleShot comes here too, as of a static method: with sender, signal and slot.
    """
    if not isinstance(signature, str):
        return bool(QtCore.QObject.connect(signature, slot, name, *rest))
    if name is not None:
        slot = getattr(slot, name.partition("(")[0])
    signal = _signal(self, signature)

    def call(*values: Any) -> None:
        slot(*values[: _takes(slot)])

    address = shiboken6.getCppPointer(self)[0]
    if address not in _connections:
        _connections[address] = []
        self.destroyed.connect(lambda: _connections.pop(address, None))
    _connections[address].append((signature, slot, call))
    return bool(QtCore.QObject.connect(self, signal, call))


def _disconnect(self: QtCore.QObject, signature: str, slot: Callable[..., Any]) -> bool:
    signal = _signal(self, signature)
    made = _connections.get(shiboken6.getCppPointer(self)[0], [])
    for index, (known, to, call) in enumerate(made):
        if known == signature and to == slot:
            del made[index]
            return bool(QtCore.QObject.disconnect(self, signal, call))
    return False


def _takes(slot: Callable[..., Any]) -> int:
    """How many positional arguments a Python function takes; PythonQt passes no more."""
    code = getattr(getattr(slot, "__func__", slot), "__code__", None)
    if code is None or code.co_flags & 0x04:  # *arguments
        return 99
    return code.co_argcount - int(hasattr(slot, "__self__"))
