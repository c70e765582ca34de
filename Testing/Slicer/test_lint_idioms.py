"""Lint of idioms that work in PySide6 but not in PythonQt."""

from __future__ import annotations

import ast
import re

import pytest
from lint_sources import at, dotted, each_source, is_qt_name, is_ui, read, stored_on_self

SLOTS = {"layout", "parent", "update", "style", "event", "thread", "window", "actions", "size", "font", "pos"}
"""Names that must not be assigned on self in a class that derives from Qt."""
PROPERTIES = {"text", "checked", "enabled", "value", "currentIndex", "currentText", "count", "collapsed", "currentPath"}
"""Names that are properties of every widget that has them."""
FOREIGN = re.compile(r"(PySide|PyQt|shiboken|Shiboken|qtpy|Qt(Core|Gui|Widgets|Test|Network)$)")
"""Names that belong to Python bindings of Qt other than PythonQt."""


def is_on_widget(node: ast.AST) -> bool:
    """Return whether an expression begins with ``ui.NAME``."""
    while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)):
        if isinstance(node, ast.Attribute) and is_ui(node.value):
            return True
        node = node.func if isinstance(node, ast.Call) else node.value
    return False


def is_partial(node: ast.AST) -> bool:
    """Return whether an expression is a call of functools.partial."""
    return isinstance(node, ast.Call) and (dotted(node.func) or "").rpartition(".")[2] in ("partial", "partialmethod")


def qt_classes(tree: ast.AST) -> list[ast.ClassDef]:
    """Return the classes that derive from a Qt class, directly or through other classes in the same file."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            names = {known.name for known in found}
            if any(is_qt_name(base) or dotted(base) in names for base in node.bases):
                found.append(node)
    return found


def idiom_problems(source: str) -> list[str]:
    """Return code that works only in PySide6."""
    tree = ast.parse(source)
    problems = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            problems += _call_problems(node)
        elif isinstance(node, ast.Attribute):
            name = dotted(node) or ""
            if re.match(r"(qt|ctk)\.[A-Z]\w*\.[A-Z]\w*\.\w", name) or re.match(r"ctk\.ctk\w+\.[A-Z]\w*\.\w", name):
                problems.append(at(node, f"{name}: PythonQt has no scoped enums"))
            if name in ("qt.QThread", "qt.QThreadPool", "qt.QRunnable"):
                problems.append(at(node, f"{name}: Python threads starve in Slicer"))
            if name.startswith("qt.") and FOREIGN.match(name.split(".")[1]):
                problems.append(at(node, f"{name} belongs to PySide"))
        elif isinstance(node, ast.Name) and FOREIGN.match(node.id):
            problems.append(at(node, f"{node.id} belongs to PySide"))
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            problems += _import_problems(node)
        elif isinstance(node, ast.withitem) and isinstance(node.context_expr, ast.Call):
            if is_qt_name(node.context_expr.func):
                problems.append(at(node.context_expr, "objects of PythonQt are not context managers"))
        elif isinstance(node, (ast.For, ast.While)):
            for child in ast.walk(node):
                if isinstance(child, ast.Attribute) and child.attr == "processEvents":
                    problems.append(at(child, "processEvents in a loop"))
    for node in qt_classes(tree):
        problems += _class_problems(node)
    return problems


def _call_problems(node: ast.Call) -> list[str]:
    problems = []
    name = dotted(node.func) or ""
    last = node.func.attr if isinstance(node.func, ast.Attribute) else name
    if node.keywords and (is_qt_name(node.func) or is_on_widget(node.func)):
        problems.append(at(node, f"{last}: PythonQt takes no keyword arguments"))
    classes = [child for argument in node.args[1:] for child in ast.walk(argument)]
    if name in ("isinstance", "issubclass") and any(map(is_qt_name, classes)):
        problems.append(at(node, f"{name} does not work with PythonQt's classes"))
    if isinstance(node.func, ast.Attribute) and last == "exec":
        problems.append(at(node, "exec() is called exec_() in PythonQt"))
    if last == "connect" and any(map(is_partial, [*node.args, *(child.value for child in node.keywords)])):
        problems.append(at(node, "PythonQt cannot connect a partial"))
    if last in PROPERTIES and isinstance(node.func, ast.Attribute) and is_on_widget(node.func.value):
        problems.append(at(node, f"{last} is a property, not a method"))
    return problems


def _import_problems(node: ast.Import | ast.ImportFrom) -> list[str]:
    names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
    names += [alias.name for alias in node.names]
    problems = []
    for name in names:
        if FOREIGN.match(name):
            problems.append(at(node, f"{name} belongs to PySide"))
        if name.partition(".")[0] in ("threading", "_thread") or name.startswith("concurrent.futures"):
            problems.append(at(node, f"{name}: Python threads starve in Slicer"))
        if isinstance(node, ast.ImportFrom) and node.module == "qt" and name in ("QThread", "QThreadPool", "QRunnable"):
            problems.append(at(node, f"{name}: Python threads starve in Slicer"))
    if isinstance(node, ast.ImportFrom) and node.module in ("qt", "ctk"):
        problems.append(at(node, f"use {node.module}.NAME, so that these lints find it"))
    return problems


def _class_problems(node: ast.ClassDef) -> list[str]:
    problems = []
    for child in ast.walk(node):
        if isinstance(child, ast.Attribute) and isinstance(child.value, ast.Call):
            if dotted(child.value.func) == "super" and child.attr != "__init__":
                problems.append(at(child, f"super().{child.attr} does not work in PythonQt"))
    for child in stored_on_self(node):
        if child.attr in SLOTS:
            problems.append(at(child, f"self.{child.attr} hides a method of Qt"))
    return problems


@each_source
def test_the_code_works_in_pythonqt(file):
    assert idiom_problems(read(file)) == []


@pytest.mark.parametrize(
    "source",
    [
        "qt.QLabel(text='x')",
        "ctk.ctkPathLineEdit(parent=None)",
        "self.ui.button.setText(text='x')",
        "isinstance(x, qt.QLabel)",
        "issubclass(x, (int, ctk.ctkSliderWidget))",
        "qt.Qt.AlignmentFlag.AlignLeft",
        "qt.QFrame.Shape.StyledPanel",
        "dialog.exec()",
        "import PySide6",
        "from PySide6 import QtCore",
        "import PySide6.QtCore",
        "QtCore.QTimer()",
        "qt.QtCore",
        "from qt import QThread",
        "button.connect('clicked()', functools.partial(f, 1))",
        "button.clicked.connect(partial(f, 1))",
        "with qt.QSignalBlocker(w):\n    pass",
        "import threading",
        "from threading import Thread",
        "from concurrent.futures import ThreadPoolExecutor",
        "qt.QThread()",
        "while busy:\n    slicer.app.processEvents()",
        "for i in x:\n    if i:\n        slicer.app.processEvents()",
        "class A(qt.QWidget):\n    def showEvent(self, event):\n        super().showEvent(event)",
        "class A(qt.QWidget): pass\nclass B(A):\n    def f(self):\n        super(B, self).show()",
        "class A(qt.QFrame):\n    def __init__(self):\n        self.layout = 1",
        "class A(qt.QFrame):\n    def f(self):\n        self.size, b = 1, 2",
        *(f"self.ui.thing.{name}()" for name in sorted(PROPERTIES)),
        "ui.thing.text().strip()",
    ],
)
def test_code_that_works_in_pyside_only_is_caught(source):
    assert idiom_problems(source)


@pytest.mark.parametrize(
    "source",
    [
        "qt.QLabel('x')",
        "dialog.exec_()",
        "qt.Qt.AlignLeft",
        "qt.QTimer.singleShot(0, f)",
        "self.ui.button.setText('x')",
        "self.ui.button.text",
        "section.text()",
        "isinstance(x, str)",
        "slicer.app.processEvents()",
        "button.connect('clicked()', lambda: f(1))",
        "class A(qt.QWidget):\n    def __init__(self):\n        super().__init__()\n        self._layout = 1",
        "class A:\n    def f(self):\n        self.layout = super().f()",
    ],
)
def test_code_that_works_in_pythonqt_passes(source):
    assert idiom_problems(source) == []
