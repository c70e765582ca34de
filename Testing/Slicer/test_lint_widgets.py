"""Lint of widgets: every attribute exists, properties are not called, methods are not assigned to."""

from __future__ import annotations

import ast

import pytest
from api_tables import GONE_SIGNALS, ApiTables
from lint_sources import all_ui_classes, at, dotted, each_source, read
from widget_types import WidgetTypes


def widget_problems(source: str, widgets: dict[str, str], tables: ApiTables) -> list[str]:
    """Return attributes that a Qt class lacks, properties that are called, and methods that are assigned to."""
    tree = ast.parse(source)
    types = WidgetTypes(tree, widgets, tables)
    called = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    problems = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        own = dotted(node.value) == "self"
        for name in sorted(types.of(node.value)):
            members = tables.members(name)
            kind = members.get(node.attr) or members.get(node.attr.removesuffix("_"))  # as PythonQt does
            if own and node.attr in types.own_names(node):
                if isinstance(node.ctx, ast.Store) and kind in ("method", "constant"):
                    problems.append(at(node, f"self.{node.attr} hides a method of {name}"))
            elif not members:
                problems.append(at(node, f"{name} is not in the tables"))
            elif kind is None:
                problems.append(at(node, f"{name} has no {node.attr}"))
            elif id(node) in called:
                if kind != "method":
                    problems.append(at(node, f"{node.attr} of {name} is a property, not a method"))
                if node.attr == "connect" and not _connects(called[id(node)], tables.signals(name)):
                    problems.append(at(node, f"{name} has no signal of this signature"))
                if called[id(node)].keywords:
                    problems.append(at(node, f"{node.attr} of {name}: PythonQt takes no keyword arguments"))
            elif isinstance(node.ctx, ast.Store) and kind != "property":
                problems.append(at(node, f"{node.attr} of {name} must not be assigned to"))
    return problems


def _connects(call: ast.Call, signals: set[str]) -> bool:
    """Return whether connect() names one of the signals with its signature, like "clicked(bool)"."""
    first = call.args[0] if call.args else None
    return isinstance(first, ast.Constant) and first.value in signals - GONE_SIGNALS


@each_source
def test_widgets_have_the_members_that_the_code_uses(tables, file):
    assert widget_problems(read(file), all_ui_classes(), tables) == []


WIDGETS = {"label": "QLabel", "button": "QPushButton", "path": "ctkPathLineEdit", "nodes": "qMRMLNodeComboBox"}


@pytest.mark.parametrize(
    "source, problem",
    [
        ("self.ui.label.wordWrap()", "wordWrap of QLabel is a property, not a method"),
        ("self.ui.button.toolTip()", "toolTip of QPushButton is a property, not a method"),
        ("self.ui.nodes.currentNodeID()", "currentNodeID of qMRMLNodeComboBox is a property, not a method"),
        ("self.ui.path.currentPath()", "currentPath of ctkPathLineEdit is a property, not a method"),
        ("self.ui.label.setTexts('')", "QLabel has no setTexts"),
        ("self.ui.label.caption = 1", "QLabel has no caption"),
        ("self.ui.label.setText = 1", "setText of QLabel must not be assigned to"),
        ("ui = self.ui\nfor w in (ui.label, ui.button):\n    w.setDefault(True)", "QLabel has no setDefault"),
        ("def f():\n    timer = qt.QTimer()\n    timer.begin()", "QTimer has no begin"),
        ("def f():\n    timer = qt.QTimer()\n    timer.start(msec=1)", "start of QTimer: PythonQt takes no keyword"),
        (
            "class A:\n    def f(self):\n        self._t = qt.QTimer()\n    def g(self):\n        self._t.interval()",
            "interval of QTimer is a property",
        ),
        ("def f(box):\n    box.unknown()\nf(self.ui.nodes)", "qMRMLNodeComboBox has no unknown"),
        ("def f():\n    x = qt.QLabel()\n    return x\ndef g():\n    y = f()\n    y.text()", "text of QLabel is a"),
        ("self.ui.button.connect('pushed()', f)", "QPushButton has no signal of this signature"),
        ("self.ui.nodes.connect('currentNodeChanged(vtkMRMLScene*)', f)", "qMRMLNodeComboBox has no signal"),
        ("qt.QComboBox().connect('currentIndexChanged(QString)', f)", "QComboBox has no signal of this signature"),
        ("self.ui.nodes.connect('currentNodeIDChanged()', f)", "qMRMLNodeComboBox has no signal of this signature"),
        ("slicer.app.slicerHome()", "slicerHome of qSlicerApplication is a property"),
        (
            "def f():\n    x = slicer.app.layoutManager()\n    x.threeDViewCount()",
            "threeDViewCount of qSlicerLayoutManager",
        ),
        ("slicer.app.layoutManager().sliceWidget('Red').sliceView().unknown()", "qMRMLSliceView has no unknown"),
        ("self.ui.label.palette.unknown()", "QPalette has no unknown"),
        ("class A(qt.QFrame):\n    def f(self):\n        self.palette()", "palette of QFrame is a property"),
        ("class A(qt.QFrame):\n    def f(self):\n        self.unknown()", "QFrame has no unknown"),
        ("class A(qt.QFrame):\n    def f(self):\n        self.repaint = 1", "self.repaint hides a method of QFrame"),
    ],
)
def test_a_wrong_use_of_a_widget_is_caught(tables, source, problem):
    assert any(problem in sentence for sentence in widget_problems(source, WIDGETS, tables))


@pytest.mark.parametrize(
    "source",
    [
        "self.ui.nodes.setCurrentNode(n)\nself.ui.nodes.currentNodeID\nself.ui.nodes.currentNode()",
        "self.ui.button.enabled = True\nself.ui.button.connect('clicked()', f)\nself.ui.label.setText('')",
        "def f(x):\n    timer = qt.QTimer()\n    timer = x\n    timer.begin()",
        "class A(qt.QFrame):\n    def f(self):\n        self._own = 1\n        self._own\n        self.g(self.palette)"
        "\n    def g(self, x): pass",
    ],
)
def test_a_correct_use_of_a_widget_passes(tables, source):
    assert widget_problems(source, WIDGETS, tables) == []
