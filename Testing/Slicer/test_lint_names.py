"""Lint of names from Slicer, Qt, CTK and VTK: only those in a reviewed list, which every supported version has."""

from __future__ import annotations

import ast
import functools
import json

import pytest
from api_tables import version_number
from lint_sources import SOURCES, TESTING, VERSIONS, at, dotted, each_source, each_version, read

ALLOWED_FILE = TESTING / "allowed_names.json"
ROOTS = ("slicer", "qt", "ctk", "vtk")


def imported_names(tree) -> dict[str, str]:
    """Return name -> dotted name for all names that imports bind."""
    bound = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                bound[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                bound[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return bound


def names_used(source: str) -> dict[str, int]:
    """Return the dotted names that begin with one of ROOTS, each with the first line that uses it."""
    tree = ast.parse(source)
    bound = imported_names(tree)
    star = bound.get("*")
    found = {}

    def add(name, node):
        if name.partition(".")[0] in ROOTS and "." in name:
            found.setdefault(name, node.lineno)

    def visit(node):
        name = dotted(node) if isinstance(node, (ast.Attribute, ast.Name)) else None
        if name is not None:
            first, dot, rest = name.partition(".")
            if first in bound:
                add(bound[first] + dot + rest, node)
            elif star and first.startswith(star.rpartition(".")[0].rpartition(".")[2]):
                add(star[:-1] + name, node)
            return
        if isinstance(node, ast.Import):
            for alias in node.names:
                add(alias.name, node)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                if alias.name != "*":
                    add(f"{node.module}.{alias.name}", node)
        elif isinstance(node, ast.Call) and dotted(node.func) == "getattr" and dotted(node.args[0]) in ROOTS:
            constant = isinstance(node.args[1], ast.Constant)
            add(f"{node.args[0].id}.{node.args[1].value if constant else '?'}", node)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(tree)
    return found


def unlisted_problems(source: str, allowed: set[str]) -> list[str]:
    """Return the names that are not in the list."""
    return [f"line {line}: {name} is not allowed" for name, line in names_used(source).items() if name not in allowed]


def unused_names(sources: list[str], allowed: set[str]) -> list[str]:
    """Return the names in the list that no source uses."""
    return sorted(allowed - set().union(*(names_used(source) for source in sources)))


def unguarded_imports(source: str, late: dict[str, str]) -> list[str]:
    """Return imports of names that older versions lack and that no ``except ImportError`` covers."""
    tree = ast.parse(source)
    guarded = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Try):
            if any(
                handler.type and dotted(handler.type) in ("ImportError", "ModuleNotFoundError")
                for handler in node.handlers
            ):
                guarded.update(id(child) for statement in node.body for child in ast.walk(statement))
    problems = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        problems += [
            at(node, f"{name} is imported without except ImportError, although Slicer has it only since {late[name]}")
            for name in names
            if name in late and id(node) not in guarded
        ]
    return problems


@functools.cache
def allow_list() -> tuple[set[str], dict[str, str]]:
    """Return the allowed names, and the version of those that were added after Slicer 5.10."""
    content = json.loads(read(ALLOWED_FILE))
    return {name for names in content["names"].values() for name in names}, content["since"]


@each_source
def test_every_name_of_slicer_in_the_code_is_allowed(file):
    assert unlisted_problems(read(file), allow_list()[0]) == []


def test_every_allowed_name_is_used():
    assert unused_names([read(file) for file in SOURCES], allow_list()[0]) == []


def test_names_with_a_version_are_allowed_names():
    allowed, late = allow_list()
    assert set(late) <= allowed


@each_source
def test_imports_of_names_that_older_versions_lack_are_guarded(file):
    assert unguarded_imports(read(file), allow_list()[1]) == []


@each_version
def test_every_allowed_name_exists_in_slicer(tables, version):
    allowed, late = allow_list()
    expected = [name for name in sorted(allowed) if version_number(late.get(name, "0")) <= version_number(version)]
    assert [name for name in expected if not tables.has(name, version)] == []


@pytest.mark.parametrize(
    "source, name",
    [
        ("import qt\nqt.QTimerr()", "qt.QTimerr"),
        ("import qt\nqt.Qt.WidgetShortcut", "qt.Qt.WidgetShortcut"),
        ("import qt as gui\ngui.QTimer()", "qt.QTimer"),
        ("import slicer\nslicer.util.unknown()", "slicer.util.unknown"),
        ("import slicer\nslicer.app.userSettings().value('x')", "slicer.app.userSettings"),
        ("import slicer\ndef f(x: slicer.vtkMRMLNode): pass", "slicer.vtkMRMLNode"),
        ("from slicer.util import loadUI", "slicer.util.loadUI"),
        ("from vtk.util.numpy_support import vtk_to_numpy", "vtk.util.numpy_support.vtk_to_numpy"),
        ("import slicer\ngetattr(slicer, 'vtkThing')", "slicer.vtkThing"),
        (
            "from slicer.ScriptedLoadableModule import *\nScriptedLoadableModuleOdd()",
            "slicer.ScriptedLoadableModule.ScriptedLoadableModuleOdd",
        ),
    ],
)
def test_a_name_that_is_not_allowed_is_caught(source, name):
    assert [problem.partition(": ")[2] for problem in unlisted_problems(source, set())] == [f"{name} is not allowed"]
    assert unlisted_problems(source, {name}) == []


def test_an_unused_allowed_name_is_caught():
    assert unused_names(["import qt\nqt.QTimer()"], {"qt.QTimer", "qt.QLabel"}) == ["qt.QLabel"]


def test_an_unguarded_import_is_caught():
    late = {"slicer.packaging": "5.12"}
    assert unguarded_imports("import slicer.packaging", late)
    assert unguarded_imports("from slicer import packaging", late)
    assert unguarded_imports("try:\n import slicer.packaging\nexcept ImportError:\n pass", late) == []


@pytest.mark.parametrize(
    "name",
    [
        "qt.QTimerr",
        "qt.Qt.AlignMiddle",
        "qt.Qt.AlignmentFlag.AlignLeft",
        "qt.QTimer.unknown",
        "ctk.ctkUnknown",
        "slicer.util.unknown",
        "slicer.app.unknown",
        "slicer.vtkMRMLUnknownNode",
        "slicer.qMRMLUnknown",
        "slicer.unknown",
        "slicer.packaging",
    ],
)
def test_a_name_that_slicer_lacks_is_not_found(tables, name):
    assert not tables.has(name, "5.10")


@pytest.mark.parametrize(
    "name",
    [
        "qt.QTimer.singleShot",
        "qt.Qt.AlignLeft",
        "qt.QLabel.StyledPanel",
        "qt.Signal",
        "ctk.ctkPathLineEdit.Files",
        "slicer.util.loadUI",
        "slicer.app.processEvents",
        "slicer.app.temporaryPath",
        "slicer.vtkMRMLSegmentationNode",
        "slicer.qMRMLNodeComboBox",
    ],
)
@each_version
def test_a_name_that_slicer_has_is_found(tables, name, version):
    assert tables.has(name, version)


def test_names_that_were_added_or_removed_depend_on_the_version(tables):
    assert [tables.has("slicer.packaging", version) for version in VERSIONS] == [False, True, True]
    assert [tables.has("qt.QPalette.Background", version) for version in VERSIONS] == [True, False, False]
    later = "slicer.vtkMRMLAbstractVolumeResampler"
    assert [tables.has(later, version) for version in ("5.8", "5.10")] == [False, True]
