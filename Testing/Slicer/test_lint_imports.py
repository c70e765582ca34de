"""Lint of imports: nothing heavy is imported when Slicer starts, and no import hides another."""

from __future__ import annotations

import ast

import pytest
from lint_sources import at, dotted, each_source, read

HEAVY_PACKAGES = {"torch", "transformers", "peft", "monai", "SimpleITK", "scipy", "totalsegmentator", "reg2rg"}
ALLOWED_IN_FUNCTIONS = {"reg2rg", "scipy"}


def is_type_checking(node) -> bool:
    """Return whether a statement is an ``if TYPE_CHECKING:``, which is never executed."""
    return isinstance(node, ast.If) and dotted(node.test) == "TYPE_CHECKING"


def import_problems(source: str) -> list[str]:
    """Return imports that slow down the start of Slicer, or fail before the engine is found or installed."""
    tree = ast.parse(source)
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    deferred = [node for node in ast.walk(tree) if isinstance(node, functions) or is_type_checking(node)]
    within = {id(child) for node in deferred for child in ast.walk(node)}
    problems = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = {node.module.partition(".")[0]}
        else:
            continue
        forbidden = HEAVY_PACKAGES - ALLOWED_IN_FUNCTIONS if id(node) in within else HEAVY_PACKAGES
        problems += [at(node, f"{name} is imported here") for name in sorted(names & forbidden)]
    return problems


def hiding_imports(source: str) -> list[str]:
    """Return imports that hide a name in the file.

    ``import a.b`` in a function makes ``a`` local to the function: if the import fails, ``a`` is unbound.
    """
    tree = ast.parse(source)
    outer = {
        alias.asname or alias.name.partition(".")[0]
        for node in tree.body
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    problems = []
    for function in ast.walk(tree):
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Import):
                names = {alias.name.partition(".")[0] for alias in node.names if not alias.asname} & outer
                problems += [at(node, f"{name} becomes local to {function.name}") for name in sorted(names)]
    return problems


@each_source
def test_no_import_in_a_function_hides_an_import_of_the_file(file):
    assert hiding_imports(read(file)) == []


def test_an_import_that_hides_another_is_caught():
    inside = (
        "import slicer\ndef f():\n    try:\n        {0}\n    except ImportError:\n        slicer.util.pip_install('x')"
    )
    assert hiding_imports(inside.format("import slicer.packaging"))
    assert hiding_imports(inside.format("import slicer.packaging as packaging")) == []
    assert hiding_imports(inside.format("from slicer import packaging")) == []


@each_source
def test_importing_the_module_imports_no_heavy_package(file):
    assert import_problems(read(file)) == []


@pytest.mark.parametrize(
    "source",
    [
        "import torch",
        "import scipy.ndimage as ndimage",
        "from reg2rg.regions import REGION_NAMES",
        "try:\n    import SimpleITK\nexcept ImportError:\n    pass",
        "class A:\n    import monai",
        "def f():\n    import torch.nn",
    ],
)
def test_a_heavy_import_is_caught(source):
    assert import_problems(source)


def test_imports_of_the_engine_within_functions_pass():
    assert import_problems("import numpy\nimport qt\ndef f():\n    import reg2rg.regions\n    import scipy") == []
    assert import_problems("if TYPE_CHECKING:\n    from reg2rg.report import Report") == []
    assert import_problems("if TYPE_CHECKING:\n    import torch")
