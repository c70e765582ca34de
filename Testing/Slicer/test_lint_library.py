"""Lint of the library's structure: its docstring lists every file, and each imports only files listed above it."""

from __future__ import annotations

import ast
import re

from lint_sources import MODULE, read

LIBRARY = MODULE / "Reg2RGModuleLib"


def listed_files(docstring: str) -> list[str]:
    """Return the files that a package's docstring lists, one or more at the start of an indented line."""
    lists = re.findall(r"^    ([a-z]\w*(?:, [a-z]\w*)*)(?:  |$)", docstring, re.MULTILINE)
    return [name for names in lists for name in names.split(", ")]


def library_imports(source: str) -> set[str]:
    """Return the files of the library that a file imports, even if only for type hints."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "Reg2RGModuleLib":
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("Reg2RGModuleLib."):
            found.add(node.module.partition(".")[2])
    return found


def test_the_library_lists_its_files_and_each_imports_only_files_above_it():
    listed = listed_files(ast.get_docstring(ast.parse(read(LIBRARY / "__init__.py")), clean=False))
    assert sorted(listed) == sorted(file.stem for file in LIBRARY.glob("*.py") if file.stem != "__init__")
    for index, name in enumerate(listed):
        assert library_imports(read(LIBRARY / f"{name}.py")) - set(listed[:index]) == set(), name
