"""Lint of Qt objects with signals: something owns each of them, so that none is destroyed inside its own signal.

PythonQt destroys an object without a parent with the last reference to it, even in a slot that the object itself has
called. Slicer then crashes.
"""

from __future__ import annotations

import ast

import pytest
from lint_sources import at, dotted, each_source, read

SENDERS = {
    *("QAction", "QActionGroup", "QButtonGroup", "QDialog", "QFileSystemWatcher", "QMenu", "QMessageBox"),
    *("QNetworkAccessManager", "QObject", "QProcess", "QProgressDialog", "QShortcut", "QTimer"),
}
"""Classes whose objects emit signals and are not put into a layout."""


def owner_problems(source: str) -> list[str]:
    """Return objects without a parent that are not kept in one attribute for as long as their owner lives."""
    tree = ast.parse(source)
    kept = _kept_for_good(tree)
    return [
        at(node, f"{dotted(node.func)}() needs a parent, or an attribute that is only set in __init__")
        for node in ast.walk(tree)
        if _is_unowned(node) and id(node) not in kept
    ]


def _is_unowned(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    module, _, name = (dotted(node.func) or "").rpartition(".")
    parent = node.args[-1] if node.args else None
    has_parent = parent is not None and not isinstance(parent, ast.Constant)
    return module == "qt" and name in SENDERS and not has_parent


def _kept_for_good(tree: ast.AST) -> set[int]:
    """Return the calls whose objects are stored in an attribute of self that nothing else stores into."""
    kept = set()
    for owner in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
        stored = [
            node.attr
            for node in ast.walk(owner)
            if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load) and dotted(node.value) == "self"
        ]
        for method in (node for node in owner.body if isinstance(node, ast.FunctionDef) and node.name == "__init__"):
            for node in ast.walk(method):
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
                    if stored.count(node.targets[0].attr) == 1:
                        kept.add(id(node.value))
    return kept


@each_source
def test_every_object_with_signals_has_an_owner(file):
    assert owner_problems(read(file)) == []


INIT = "class A:\n    def __init__(self):\n        self._timer = qt.QTimer()\n"


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    timer = qt.QTimer()\n    timer.start()",
        "class A:\n    def start(self):\n        self._process = qt.QProcess()",
        INIT + "    def f(self):\n        self._timer = None",
        INIT + "    def f(self):\n        del self._timer",
        "class A:\n    def f(self):\n        self._timers.append(qt.QTimer())",
        "menu = qt.QMenu('Findings')",
    ],
)
def test_an_object_without_an_owner_is_caught(source):
    assert owner_problems(source)


@pytest.mark.parametrize(
    "source",
    [
        INIT,
        "class A:\n    def start(self):\n        self._process = qt.QProcess(self._watchdog)",
        "menu = qt.QMenu('Findings', button)",
        "label = qt.QLabel()",
    ],
)
def test_an_object_with_an_owner_passes(source):
    assert owner_problems(source) == []
