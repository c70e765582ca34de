"""Virtual methods that Python classes override: which PythonQt calls, and what it does with their exceptions."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore, QtWidgets

from slicer_host.pythonqt.classes import is_cpp_class

_PREFIXED: dict[str, tuple[type, ...]] = {
    "sizeHint": (
        *(QtWidgets.QWidget, QtWidgets.QGroupBox, QtWidgets.QDockWidget, QtWidgets.QMainWindow, QtWidgets.QToolBar),
        *(QtWidgets.QStatusBar, QtWidgets.QDialogButtonBox, QtWidgets.QWizardPage, QtWidgets.QCalendarWidget),
    ),
    "minimumSizeHint": (
        *(QtWidgets.QWidget, QtWidgets.QFrame, QtWidgets.QAbstractButton, QtWidgets.QMainWindow),
        QtWidgets.QDockWidget,
    ),
}
"""Virtual getter of a property -> classes that PythonQt calls ``getSizeHint`` of, because ``sizeHint`` is the value."""
_OTHERS = ("event", "eventFilter", "sizeHint", "minimumSizeHint", "heightForWidth")

_prepared: set[type] = set()


def prepare_overrides(python_class: type) -> None:
    """Treat the virtual methods of a Python class as PythonQt does, before its first object is made.

    Exceptions in them are printed, and Qt goes on with the result of the base class.

    Raises:
        TypeError: If PythonQt would not call one of them.
    """
    if python_class in _prepared or is_cpp_class(python_class):
        return
    _prepared.add(python_class)
    cpp_class = next(base for base in python_class.__mro__ if is_cpp_class(base))
    own = [base for base in python_class.__mro__ if not is_cpp_class(base) and base is not object]
    for name, classes in _PREFIXED.items():
        prefixed = f"get{name[0].upper()}{name[1:]}"
        if cpp_class in classes:
            if hasattr(python_class, prefixed):
                setattr(python_class, name, _call_prefixed(prefixed))
            elif any(name in vars(base) for base in own):
                raise TypeError(f"PythonQt does not call {name}() of a {cpp_class.__name__}; define {prefixed}(), too")
    for base in own:
        for name, method in list(vars(base).items()):
            if (name.endswith("Event") or name in _OTHERS) and callable(method) and hasattr(cpp_class, name):
                if not hasattr(method, "_prints_exceptions"):
                    setattr(base, name, _printing_exceptions(method, getattr(cpp_class, name)))


def _call_prefixed(name: str) -> Callable[..., Any]:
    return lambda self: getattr(self, name)()


def _printing_exceptions(method: Callable[..., Any], of_base: Any) -> Callable[..., Any]:
    """Return a method that prints what it raises and then does what the method of the C++ class does."""

    @functools.wraps(method)
    def call(self: QtCore.QObject, *arguments: Any) -> Any:
        try:
            return method(self, *arguments)
        except Exception:
            traceback.print_exc()
        base_method: Callable[..., Any] = of_base.__get__ if isinstance(of_base, property) else of_base
        return base_method(self, *arguments)

    call._prints_exceptions = True  # type: ignore[attr-defined]
    return call
