"""Lint of the CMake files: CTest runs every test script. test_installed_files.py checks what is installed."""

from __future__ import annotations

import ast
import re

from lint_sources import MODULE, TESTING, dotted, read


def cmake_commands(text: str) -> list[tuple[str, list[str]]]:
    """Return commands and their arguments, without comments and without expanding variables."""
    text = re.sub(r"#[^\n]*", "", text)
    found = re.findall(r"(\w+)\s*\(([^()]*)\)", text)
    return [(name.lower(), re.findall(r'"[^"]*"|[^\s"]+', arguments)) for name, arguments in found]


def cmake_unittests(text: str) -> list[str]:
    """Return the scripts registered with slicer_add_python_unittest, including those of foreach loops."""
    scripts, loop = [], {}
    for command, arguments in cmake_commands(text):
        if command == "foreach":
            loop[arguments[0]] = [item for item in arguments[1:] if item not in ("IN", "ITEMS")]
        elif command == "endforeach":
            loop = {}
        elif command == "slicer_add_python_unittest":
            script = arguments[arguments.index("SCRIPT") + 1]
            name = re.fullmatch(r"\$\{(\w+)\}", script)
            scripts += loop.get(name[1], [script]) if name else [script]
    return scripts


def listing_problems(listed: list[str], existing: set[str], kind: str) -> list[str]:
    """Return files that are missing from a list, superfluous, or duplicated."""
    problems = [f"{name} is not listed in {kind}" for name in sorted(existing - set(listed))]
    problems += [f"{name} is listed in {kind} but does not exist" for name in sorted(set(listed) - existing)]
    problems += [f"{name} is listed twice in {kind}" for name in sorted(set(listed)) if listed.count(name) > 1]
    return problems


def consists_of_test_cases(source: str) -> bool:
    """Return whether a script is for unittest, that is, has test classes and no pytest test functions."""
    tree = ast.parse(source)
    cases = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            bases = [(dotted(base) or "").rpartition(".")[2] for base in node.bases]
            if any(base.endswith("TestCase") or base in cases for base in bases):
                cases.add(node.name)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test")]
    return bool(cases) and not functions


def test_slicer_finds_exactly_one_module_in_the_folder():
    """Slicer loads every .py file in the folder as a module."""
    assert [file.name for file in MODULE.glob("*.py")] == ["Reg2RGModule.py"]


def test_ctest_runs_the_self_test_of_the_module():
    assert cmake_unittests(read(MODULE / "CMakeLists.txt")) == ["${MODULE_NAME}.py"]


def test_ctest_runs_the_unittest_scripts_and_no_others():
    scripts = {file.name for file in TESTING.glob("test_*.py") if consists_of_test_cases(read(file))}
    assert listing_problems(cmake_unittests(read(TESTING / "CMakeLists.txt")), scripts, "CMakeLists.txt") == []


def test_an_incomplete_list_is_caught():
    assert listing_problems(["a.py", "gone.py"], {"a.py", "new.py"}, "CMakeLists.txt") == [
        "new.py is not listed in CMakeLists.txt",
        "gone.py is listed in CMakeLists.txt but does not exist",
    ]
    assert listing_problems(["a.py", "a.py"], {"a.py"}, "CMakeLists.txt") == ["a.py is listed twice in CMakeLists.txt"]


def test_registered_scripts_are_found_in_calls_and_loops():
    text = "foreach(s\n a.py b.py)\n slicer_add_python_unittest(SCRIPT ${s})\nendforeach()\n"
    assert cmake_unittests(text + "slicer_add_python_unittest(SCRIPT c.py)") == ["a.py", "b.py", "c.py"]


def test_unittest_scripts_are_distinguished_from_those_of_pytest():
    assert consists_of_test_cases("class A(unittest.TestCase): pass\nclass B(A): pass")
    assert not consists_of_test_cases("def test_it(): pass")
    assert not consists_of_test_cases("class A(unittest.TestCase): pass\ndef test_it(): pass")
