"""The sources that the lint tests read, and helpers to navigate their syntax trees.

The lint tests catch code that works in the host or in PySide6 but would fail in Slicer. They read the sources without
importing them. Every checker takes source text and returns a list of problems, each as a sentence.
"""

from __future__ import annotations

import ast
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MODULE = REPOSITORY / "Reg2RGModule"
TESTING = REPOSITORY / "Testing" / "Slicer"
UI_FILES = sorted((MODULE / "Resources" / "UI").glob("*.ui"))
SOURCES = sorted(file for file in MODULE.rglob("*.py") if "__pycache__" not in file.parts)
VERSIONS = ("5.10", "5.12", "5.13")
"""Versions of Slicer that the module runs in."""

each_source = pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.relative_to(MODULE).as_posix())
each_version = pytest.mark.parametrize("version", VERSIONS)


def read(file: Path) -> str:
    """Return the text of a file."""
    return file.read_text(encoding="utf-8")


def dotted(node: ast.AST | None) -> str | None:
    """Return ``a.b.c`` for a chain of attributes that begins with a name, and None for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        start = dotted(node.value)
        return f"{start}.{node.attr}" if start else None
    return None


def at(node: ast.expr | ast.stmt, problem: str) -> str:
    """Return a problem with its line number."""
    return f"line {node.lineno}: {problem}"


def ui_classes(text: str) -> dict[str, str]:
    """Return name -> class for the widgets and layouts that childWidgetVariables makes available."""
    root = ElementTree.fromstring(text).find("widget")
    nodes = [node for node in root.iter() if node.tag in ("widget", "layout", "action") and node is not root]
    return {node.get("name"): node.get("class", "QAction") for node in nodes if node.get("name")}


def all_ui_classes() -> dict[str, str]:
    """Return name -> class for the widgets and layouts of all .ui files."""
    return {name: kind for file in UI_FILES for name, kind in ui_classes(read(file)).items()}


def is_ui(node: ast.AST) -> bool:
    """Return whether an expression is ``ui`` or an attribute ``.ui``."""
    return (isinstance(node, ast.Name) and node.id == "ui") or (isinstance(node, ast.Attribute) and node.attr == "ui")


def is_qt_name(node: ast.AST) -> bool:
    """Return whether an expression is a dotted name in qt or ctk, or a widget class of Slicer."""
    return bool(re.match(r"((qt|ctk)\.|slicer\.q)", dotted(node) or ""))


def stored_on_self(tree: ast.AST) -> list[ast.Attribute]:
    """Return the attributes of ``self`` that are assigned to."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and dotted(node.value) == "self"
    ]
