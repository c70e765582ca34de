"""Lints of the module's sources: what works in the host or in PySide but would fail in Slicer is caught here.

Everything is read, nothing is imported. Every checker takes text and returns what is wrong as a list of sentences.
"""

from __future__ import annotations

import ast
import functools
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MODULE = REPOSITORY / "Reg2RGModule"
TESTING = REPOSITORY / "Testing" / "Slicer"
ALLOWED = TESTING / "allowed_names.json"
TABLES = REPOSITORY.parent / "shared" / "reference" / "slicer_api"
UI_FILE = MODULE / "Resources" / "UI" / "Reg2RGModule.ui"
SOURCES = sorted(file for file in MODULE.rglob("*.py") if "__pycache__" not in file.parts)
VERSIONS = ("5.10", "5.12", "5.13")

each_source = pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.relative_to(MODULE).as_posix())
each_version = pytest.mark.parametrize("version", VERSIONS)


def read(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def dotted(node) -> str | None:
    """``a.b.c`` of a chain of attributes that begins with a name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        start = dotted(node.value)
        return f"{start}.{node.attr}" if start else None
    return None


def at(node, words: str) -> str:
    return f"line {node.lineno}: {words}"


# --- 1. the .ui file -------------------------------------------------------------------------------------------------

SCENE_SIGNAL, SCENE_SLOT = "mrmlSceneChanged(vtkMRMLScene*)", "setMRMLScene(vtkMRMLScene*)"
WITHOUT_SCENE = {  # no slot setMRMLScene (slicer_widgets.json)
    "qMRMLColorListView",
    "qMRMLColorTableView",
    "qMRMLDisplayNodeWidget",
    "qMRMLDoubleRangeSlider",
    "qMRMLMatrixWidget",
    "qMRMLRangeSlider",
    "qMRMLSegmentationShow3DButton",
    "qMRMLVolumePropertyNodeWidget",
    "qMRMLVolumeThresholdWidget",
    "qMRMLWindowLevelWidget",
}


def parameter_names(source: str, name: str = "Reg2RGParameters") -> set[str]:
    """Annotated members of the parameters' class."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef) and node.name == name:
            return {each.target.id for each in node.body if isinstance(each, ast.AnnAssign)}
    raise AssertionError(f"no class {name}")


def ui_classes(text: str) -> dict[str, str]:
    """Class of every widget and layout below the root, by name: what childWidgetVariables makes reachable."""
    root = ElementTree.fromstring(text).find("widget")
    nodes = [node for node in root.iter() if node.tag in ("widget", "layout", "action") and node is not root]
    return {node.get("name"): node.get("class", "QAction") for node in nodes if node.get("name")}


def ui_problems(text: str, parameters: set[str]) -> list[str]:
    tree = ElementTree.fromstring(text)
    root = tree.find("widget")
    widgets = list(root.iter("widget"))
    problems = []

    declared = [node.findtext("class") for node in tree.findall("customwidgets/customwidget")]
    used = {widget.get("class") for widget in widgets}
    for name in sorted(used - set(declared)):
        if not name.startswith("Q") and name != "Line":
            problems.append(f"{name} is not declared under customwidgets")
    problems += [f"{name} is declared but not used" for name in declared if name not in used]
    problems += [f"{name} is declared twice" for name in sorted(set(declared)) if declared.count(name) > 1]

    named = [node.get("name") for node in root.iter() if node.tag in ("widget", "layout", "action", "spacer")]
    problems += ["something has no name"] * (None in named)
    problems += [f"{name} is the name of several" for name in sorted(set(named) - {None}) if named.count(name) > 1]

    links = set()
    for node in tree.findall("connections/connection"):
        sender, signal, receiver, slot = (node.findtext(tag) for tag in ("sender", "signal", "receiver", "slot"))
        problems += [f"a connection names {name}, which is not here" for name in {sender, receiver} - set(named)]
        if (sender, signal, receiver, slot) in links:
            problems.append(f"{signal} of {sender} is connected twice to {slot} of {receiver}")
        links.add((sender, signal, receiver, slot))
    for widget in widgets:
        if widget is root or not widget.get("class").startswith("qMRML") or widget.get("class") in WITHOUT_SCENE:
            continue
        if (root.get("name"), SCENE_SIGNAL, widget.get("name"), SCENE_SLOT) not in links:
            problems.append(f"{widget.get('name')} gets no scene from {root.get('name')}")

    for widget in widgets:
        for node in widget.findall("property[@name='SlicerParameterName']"):
            value = "".join(node.itertext()).strip()
            if value not in parameters:
                problems.append(f"{widget.get('name')} is bound to {value}, which is no parameter")
    return problems


def is_ui(node) -> bool:
    """``ui`` or anything's ``.ui``."""
    return isinstance(node, ast.Name) and node.id == "ui" or isinstance(node, ast.Attribute) and node.attr == "ui"


def ui_name_problems(source: str, names: set[str]) -> list[str]:
    problems = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and is_ui(node.value) and node.attr not in names:
            problems.append(at(node, f"ui.{node.attr} is not in the .ui file"))
        reached = isinstance(node, ast.Call) and dotted(node.func) in ("getattr", "setattr", "hasattr")
        if reached and is_ui(node.args[0]):
            if not isinstance(node.args[1], ast.Constant) or node.args[1].value not in names:
                problems.append(at(node, f"{node.func.id} of ui with a name that is not in the .ui file"))
    return problems


def test_ui_file_is_whole_and_bound_to_the_parameters():
    parameters = parameter_names(read(MODULE / "Reg2RGModuleLib" / "parameters.py"))
    assert ui_problems(read(UI_FILE), parameters) == []


@each_source
def test_every_ui_name_in_the_code_is_in_the_ui_file(file):
    assert ui_name_problems(read(file), set(ui_classes(read(UI_FILE)))) == []


BAD_UI = """<ui version="4.0"><class>M</class>
<widget class="qMRMLWidget" name="M"><layout class="QVBoxLayout" name="box">
 <item><widget class="qMRMLNodeComboBox" name="one">
  <property name="SlicerParameterName" stdset="0"><string notr="true">unheard</string></property></widget></item>
 <item><widget class="ctkSliderWidget" name="twin"/></item><item><widget class="QLabel" name="twin"/></item>
</layout></widget>
<customwidgets><customwidget><class>qMRMLWidget</class></customwidget>
<customwidget><class>qMRMLNodeComboBox</class></customwidget></customwidgets>
<connections><connection><sender>M</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal>
<receiver>gone</receiver><slot>setMRMLScene(vtkMRMLScene*)</slot></connection></connections></ui>"""


@pytest.mark.parametrize(
    "problem",
    [
        "ctkSliderWidget is not declared under customwidgets",
        "one gets no scene from M",
        "a connection names gone, which is not here",
        "one is bound to unheard, which is no parameter",
        "twin is the name of several",
    ],
)
def test_a_bad_ui_file_is_caught(problem):
    assert problem in ui_problems(BAD_UI, {"heard"})


@pytest.mark.parametrize("line", ["self.ui.gone.setText('')", "ui.gone.enabled = True", "getattr(self.ui, 'gone')"])
def test_a_name_missing_from_the_ui_file_is_caught(line):
    assert ui_name_problems(line, {"here"}) and ui_name_problems(line.replace("gone", "here"), {"here"}) == []


# --- 2. CMake (what is installed: test_installed_files.py) -----------------------------------------------------------


def cmake_commands(text: str) -> list[tuple[str, list[str]]]:
    """Commands with their arguments, variables as they are; comments left out."""
    text = re.sub(r"#[^\n]*", "", text)
    found = re.findall(r"(\w+)\s*\(([^()]*)\)", text)
    return [(name.lower(), re.findall(r'"[^"]*"|[^\s"]+', arguments)) for name, arguments in found]


def cmake_unittests(text: str) -> list[str]:
    """Scripts registered by slicer_add_python_unittest, those of foreach loops put in."""
    scripts, loop = [], {}
    for command, arguments in cmake_commands(text):
        if command == "foreach":
            loop[arguments[0]] = [each for each in arguments[1:] if each not in ("IN", "ITEMS")]
        elif command == "endforeach":
            loop = {}
        elif command == "slicer_add_python_unittest":
            script = arguments[arguments.index("SCRIPT") + 1]
            name = re.fullmatch(r"\$\{(\w+)\}", script)
            scripts += loop.get(name[1], [script]) if name else [script]
    return scripts


def listing_problems(listed: list[str], existing: set[str], kind: str) -> list[str]:
    problems = [f"{name} is not listed in {kind}" for name in sorted(existing - set(listed))]
    problems += [f"{name} is listed in {kind} but does not exist" for name in sorted(set(listed) - existing)]
    problems += [f"{name} is listed twice in {kind}" for name in sorted(set(listed)) if listed.count(name) > 1]
    return problems


def consists_of_test_cases(source: str) -> bool:
    """Whether a script is one for unittest: test classes, and no test function of pytest's."""
    tree = ast.parse(source)
    cases = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            bases = [(dotted(base) or "").rpartition(".")[2] for base in node.bases]
            if any(base.endswith("TestCase") or base in cases for base in bases):
                cases.add(node.name)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test")]
    return bool(cases) and not functions


def test_slicer_finds_one_module_in_the_folder():
    """Slicer takes every .py beside a module for another module."""
    assert [file.name for file in MODULE.glob("*.py")] == ["Reg2RGModule.py"]


def test_ctest_runs_the_modules_own_test():
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


def test_registered_scripts_are_read_from_calls_and_loops():
    text = "foreach(s\n a.py b.py)\n slicer_add_python_unittest(SCRIPT ${s})\nendforeach()\n"
    assert cmake_unittests(text + "slicer_add_python_unittest(SCRIPT c.py)") == ["a.py", "b.py", "c.py"]


def test_unittest_scripts_are_told_from_those_of_pytest():
    assert consists_of_test_cases("class A(unittest.TestCase): pass\nclass B(A): pass")
    assert not consists_of_test_cases("def test_it(): pass")
    assert not consists_of_test_cases("class A(unittest.TestCase): pass\ndef test_it(): pass")


# --- the entry for the ExtensionsIndex -------------------------------------------------------------------------------

INDEX = REPOSITORY / "Resources" / "ExtensionsIndex"
INDEX_FIELDS = {
    "$schema": str,
    "category": str,
    "scm_url": str,
    "scm_revision": str,
    "scm_type": str,
    "build_dependencies": list,
    "build_subdirectory": str,
    "enabled": bool,
    "tier": int,
}
SCHEMA = (
    "https://raw.githubusercontent.com/Slicer/Slicer/main/Schemas/slicer-extension-catalog-entry-schema-v1.0.1.json#"
)
CATEGORIES = {"Segmentation", "Quantification", "Filtering", "Informatics", "Utilities", "Registration", "Examples"}


def index_problems(text: str, name: str, project: str) -> list[str]:
    """Return what the checks of Slicer's ExtensionsIndex would refuse in an entry."""
    entry = json.loads(text)
    problems = [f"{field} is missing" for field in ("$schema", "category", "scm_url") if field not in entry]
    problems += [f"{field} is no field" for field in entry if field not in INDEX_FIELDS]
    known = [field for field in entry if field in INDEX_FIELDS]
    problems += [f"{field} is of another type" for field in known if type(entry[field]) is not INDEX_FIELDS[field]]
    problems += ["another schema"] * (entry.get("$schema") != SCHEMA)
    problems += ["unknown category"] * (entry.get("category") not in CATEGORIES)
    problems += ["tier is not from 1 to 5"] * (entry.get("tier", 1) not in range(1, 6))
    if not re.fullmatch(r"(https|git)://.+/Slicer\w+(\.git)?", entry.get("scm_url", "")):
        problems.append("scm_url is no https or git address of a repository whose name begins with Slicer")
    problems += ["the name begins with Slicer"] * name.startswith("Slicer")
    problems += [f"project() is {project}, not {name}"] * (project != name)
    return problems


def test_the_entry_for_the_extensions_index_passes_its_checks():
    project = dict(cmake_commands(read(REPOSITORY / "CMakeLists.txt")))["project"][0]
    assert index_problems(read(INDEX / "Reg2RG.json"), "Reg2RG", project) == []
    assert b"\r" not in (INDEX / "Reg2RG.json").read_bytes()
    assert (REPOSITORY / "LICENSE").is_file()


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("scm_url", "http://x.org/SlicerReg2RG.git", "scm_url is no"),
        ("scm_url", "https://x.org/Reg2RG.git", "scm_url is no"),
        ("category", "Radiology", "unknown category"),
        ("tier", 7, "tier is not"),
        ("depends", "PyTorch", "depends is no field"),
        ("build_dependencies", "PyTorch", "build_dependencies is of another type"),
    ],
)
def test_a_bad_entry_for_the_extensions_index_is_caught(field, value, problem):
    entry = {**json.loads(read(INDEX / "Reg2RG.json")), field: value}
    assert any(each.startswith(problem) for each in index_problems(json.dumps(entry), "Reg2RG", "Reg2RG"))


# --- 3. names of Slicer, Qt, CTK and VTK -----------------------------------------------------------------------------

ROOTS = ("slicer", "qt", "ctk", "vtk")
RUNTIME_NAMES = ("slicer.app", "slicer.mrmlScene", "slicer.modules", "slicer.moduleNames")
"""Set when the application starts; what lies behind them is not in the tables, but for slicer.app."""


def imported_names(tree) -> dict[str, str]:
    """Return the names that imports bind, with what they stand for."""
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
    """Dotted names that begin with one of ROOTS, and a line of each."""
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
    return [f"line {line}: {name} is not allowed" for name, line in names_used(source).items() if name not in allowed]


def unused_names(sources: list[str], allowed: set[str]) -> list[str]:
    return sorted(allowed - set().union(*(names_used(source) for source in sources)))


def unguarded_imports(source: str, late: dict[str, str]) -> list[str]:
    """Return imports that older versions lack and that are not in a try with an except ImportError."""
    tree = ast.parse(source)
    guarded = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Try):
            if any(
                handler.type and dotted(handler.type) in ("ImportError", "ModuleNotFoundError")
                for handler in node.handlers
            ):
                guarded.update(id(child) for each in node.body for child in ast.walk(each))
    problems = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        problems += [
            at(node, f"{name} is imported without except ImportError, though it came with {late[name]}")
            for name in names
            if name in late and id(node) not in guarded
        ]
    return problems


@functools.cache
def allow_list() -> tuple[set[str], dict[str, str]]:
    """Return the allowed names, and those that came after Slicer 5.10 with their version."""
    content = json.loads(read(ALLOWED))
    return {name for names in content["names"].values() for name in names}, content["since"]


def number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


GONE_NAMES = {
    *("QRegExp", "QRegExpValidator", "QDesktopWidget", "QTextCodec", "QMatrix", "QSound"),
    *("Qt.MidButton", "Qt.TextColorRole", "Qt.BackgroundColorRole", "QPalette.Background", "QPalette.Foreground"),
    *("QApplication.desktop", "QFont.ForceIntegerMetrics"),
}
"""Of Qt 5, in the tables and in Slicer 5.10, but not in Qt 6, which Slicer has from 5.12 on."""
GONE_SIGNALS = {
    *("activated(QString)", "currentIndexChanged(QString)", "highlighted(QString)", "valueChanged(QString)"),
    *("buttonClicked(int)", "mapped(int)", "mapped(QString)", "error(QProcess::ProcessError)"),
}


class Tables:
    """The reference tables of Slicer's, Qt's and CTK's names."""

    def __init__(self, folder: Path):
        self._qt, self._ctk, self._python, widgets = (
            json.loads(read(folder / name))
            for name in ("qt_api.json", "ctk_api.json", "slicer_python.json", "slicer_widgets.json")
        )
        self._widgets = widgets["classes"]
        self._of_every_object = widgets["_meta"]["methods_of_every_qobject"]["names"]
        kits = self._python["_meta"]["runtime_names_of_slicer"]["vtk_classes"]
        self._vtk = {}
        for entries in kits.values():
            for entry in entries:
                name, *marks = entry.split()
                self._vtk.setdefault(name, []).append(marks)

    @functools.cache  # noqa: B019
    def members(self, name: str, version: str = VERSIONS[0]) -> dict[str, str]:
        """Attributes of a class with its bases, each 'property', 'constant' (read only) or 'method'; {} if unknown."""
        found, known = {}, False
        for table in (self._qt, self._ctk):
            record = table.get(name)
            if record is None:
                continue
            known = True
            for kind in ("enumvals", "enums", "nested", "signals", "statics", "methods"):
                found.update(dict.fromkeys(record.get(kind, ()), "method"))
            for key, words in record.get("props", {}).items():
                writable = words.split()[1:2] == ["rw"] or "field-rw" in words
                found[key] = "property" if writable else "constant"
            found = {**self._of_bases(record["bases"], version), **found}
            found.update(dict.fromkeys(table["_module"]["always"], "method"))
            if record.get("qobject"):
                found.update({**dict.fromkeys(self._of_every_object, "method"), "name": "property"})
        record = self._widgets.get(name)
        if record is not None and self._had(record.get("class_since"), version):
            own = {}
            since = record.get("since", {})
            for kind, mark in (("sig", "sig:"), ("slot", "m:"), ("inv", "m:"), ("deco", "m:"), ("static", "m:")):
                own.update({key: "method" for key in record.get(kind, ()) if self._had(since.get(mark + key), version)})
            for kind, values in record.get("enum", {}).items():
                own.update(dict.fromkeys([kind, *values], "method"))
            for key, words in record.get("p", {}).items():
                if self._had(since.get(f"p:{key}"), version):
                    own[key] = "property" if words[1] == "rw" else "constant"
            bases = [*record.get("bases", ()), *record.get("chain", ())]
            own = {**self._of_bases(bases, version), **own}
            found = {**found, **own}
            known = True
        return found if known else {}

    def _of_bases(self, bases: list[str], version: str) -> dict[str, str]:
        found = {}
        for base in reversed(bases):
            found.update(self.members(base, version))
        return found

    @staticmethod
    def _had(since: str | None, version: str) -> bool:
        return since is None or number(since) <= number(version)

    def _is_in(self, record: dict, version: str) -> bool:
        removed = record.get("removed")
        return self._had(record.get("since"), version) and (removed is None or number(version) < number(removed))

    def has(self, name: str, version: str) -> bool:
        """Whether a dotted name is there in a version of Slicer; names of vtk are not in the tables."""
        root, first, *rest = name.split(".")
        if root == "vtk":
            return True
        if root in ("qt", "ctk"):
            if number(version) >= (5, 12) and {first, ".".join([first, *rest[:1]])} & GONE_NAMES:
                return False
            table = self._qt if root == "qt" else self._ctk
            if first not in table:
                named = any(first == each for each, kind in table["_module"]["module_names"])
                return not rest and not first.startswith("_") and named
            return not rest or (len(rest) == 1 and rest[0] in self.members(first, version))
        if f"{root}.{first}" == "slicer.app":
            return not rest or rest[0] in self.members("qSlicerApplication", version)
        if f"{root}.{first}" in RUNTIME_NAMES:
            return True
        if first.startswith("vtk"):
            return any(self._has_marks(marks, version) for marks in self._vtk.get(first, ()))
        if first.startswith("q"):
            record = self._widgets.get(first, {})
            if not str(record.get("py")).startswith("slicer") or not self._had(record.get("class_since"), version):
                return False
            return not rest or rest[0] in self.members(first, version)
        return self._in_python(name, version)

    def _has_marks(self, marks: list[str], version: str) -> bool:
        """Of ['+5.10', '-5.12'], since and until."""
        for mark in marks:
            later = number(version) >= number(mark[1:])
            if later != (mark[0] == "+"):
                return False
        return True

    def _in_python(self, name: str, version: str) -> bool:
        modules = self._python["modules"]
        if name in modules:
            return self._is_in(modules[name], version)
        words = name.split(".")
        for cut in range(2, len(words)):
            module, member = ".".join(words[:cut]), ".".join(words[cut:])
            for place, record in modules.items():
                inside = place == module or place.startswith(module + ".")
                if inside and self._is_in(record, version) and member in record["names"]:
                    if self._is_in(record["names"][member], version):
                        return True
        return False

    def signals(self, name: str) -> set[str]:
        """Signatures of the signals of a class with its bases, as connect() wants them."""
        found, bases = set(), []
        for record in (self._qt.get(name), self._ctk.get(name)):
            if record is not None:
                found.update(each for overloads in record.get("signals", {}).values() for each in overloads)
                bases += record["bases"]
        record = self._widgets.get(name, {})
        for signal, overloads in record.get("sig", {}).items():
            if self._had(record.get("since", {}).get(f"sig:{signal}"), VERSIONS[0]):
                found.update(f"{signal}({','.join(types[1:])})".replace("?", "") for types in overloads)
        bases += [*record.get("bases", ()), *record.get("chain", ())]
        return found.union(*map(self.signals, bases))

    def yields(self, name: str, member: str) -> str | None:
        """Class of what a property holds or a method returns, if that is one with members here."""
        record = self._widgets.get(name, {})
        kinds = [record.get(kind, {}).get(member) for kind in ("slot", "inv", "deco")]
        types = {overload[0] for overloads in kinds if overloads for overload in overloads}
        if member in record.get("p", {}):
            types.add(record["p"][member][0])
        bases = [*record.get("bases", ()), *record.get("chain", ())]
        for table in (self._qt, self._ctk):
            words = table.get(name, {}).get("props", {}).get(member, "").split()
            types.update(words[:1])
            bases += table.get(name, {}).get("bases", [])
        if not types:
            return next((found for base in bases if (found := self.yields(base, member))), None)
        only = types.pop().rstrip("*")
        return only if not types and self.members(only) else None


@functools.cache
def _load_tables() -> Tables:
    return Tables(TABLES)


@pytest.fixture
def tables():
    if not TABLES.is_dir():
        pytest.skip(f"the tables of Slicer's names are not here ({TABLES})")
    return _load_tables()


@each_source
def test_every_name_of_slicer_in_the_code_is_allowed(file):
    assert unlisted_problems(read(file), allow_list()[0]) == []


def test_no_allowed_name_is_unused():
    assert unused_names([read(file) for file in SOURCES], allow_list()[0]) == []


def test_names_that_came_later_are_allowed_names():
    allowed, late = allow_list()
    assert set(late) <= allowed


@each_source
def test_what_older_versions_lack_is_imported_with_a_way_out(file):
    assert unguarded_imports(read(file), allow_list()[1]) == []


@each_version
def test_every_allowed_name_is_in_the_tables(tables, version):
    allowed, late = allow_list()
    expected = [name for name in sorted(allowed) if number(late.get(name, "0")) <= number(version)]
    assert [name for name in expected if not tables.has(name, version)] == []


@pytest.mark.parametrize(
    "source, name",
    [
        ("import qt\nqt.QTimerr()", "qt.QTimerr"),
        ("import qt\nqt.Qt.WidgetShortcut", "qt.Qt.WidgetShortcut"),
        ("import qt as gui\ngui.QTimer()", "qt.QTimer"),
        ("import slicer\nslicer.util.unheard()", "slicer.util.unheard"),
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
        "qt.QTimer.unheard",
        "ctk.ctkUnheard",
        "slicer.util.unheard",
        "slicer.app.unheard",
        "slicer.vtkMRMLUnheardNode",
        "slicer.qMRMLUnheard",
        "slicer.unheard",
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


def test_names_that_came_or_went_are_told_by_version(tables):
    assert [tables.has("slicer.packaging", version) for version in VERSIONS] == [False, True, True]
    assert [tables.has("qt.QPalette.Background", version) for version in VERSIONS] == [True, False, False]
    later = "slicer.vtkMRMLAbstractVolumeResampler"
    assert [tables.has(later, version) for version in ("5.8", "5.10")] == [False, True]


# --- 4. what works in PySide only ------------------------------------------------------------------------------------

SLOTS = {"layout", "parent", "update", "style", "event", "thread", "window", "actions", "size", "font", "pos"}
PROPERTIES = {"text", "checked", "enabled", "value", "currentIndex", "currentText", "count", "collapsed", "currentPath"}
FOREIGN = re.compile(r"(PySide|PyQt|shiboken|Shiboken|qtpy|Qt(Core|Gui|Widgets|Test|Network)$)")


def of_qt(node) -> bool:
    """Whether a node is a dotted name of qt or ctk, or of a widget class of Slicer's."""
    return bool(re.match(r"((qt|ctk)\.|slicer\.q)", dotted(node) or ""))


def on_widget(node) -> bool:
    """Whether a node is something's attribute that begins at ui.NAME."""
    while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)):
        if isinstance(node, ast.Attribute) and is_ui(node.value):
            return True
        node = node.func if isinstance(node, ast.Call) else node.value
    return False


def is_partial(node) -> bool:
    return isinstance(node, ast.Call) and (dotted(node.func) or "").rpartition(".")[2] in ("partial", "partialmethod")


def qt_classes(tree) -> list[ast.ClassDef]:
    """Classes that derive from Qt's, also by way of others of the same file."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            names = {each.name for each in found}
            if any(of_qt(base) or dotted(base) in names for base in node.bases):
                found.append(node)
    return found


def stored_on_self(tree) -> list[ast.Attribute]:
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and dotted(node.value) == "self"
    ]


def idiom_problems(source: str) -> list[str]:
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
                problems.append(at(node, f"{name}: Python in a thread starves in Slicer"))
            if name.startswith("qt.") and FOREIGN.match(name.split(".")[1]):
                problems.append(at(node, f"{name} is PySide's"))
        elif isinstance(node, ast.Name) and FOREIGN.match(node.id):
            problems.append(at(node, f"{node.id} is PySide's"))
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            problems += _import_problems(node)
        elif isinstance(node, ast.withitem) and isinstance(node.context_expr, ast.Call):
            if of_qt(node.context_expr.func):
                problems.append(at(node.context_expr, "PythonQt's objects are no context managers"))
        elif isinstance(node, (ast.For, ast.While)):
            for each in ast.walk(node):
                if isinstance(each, ast.Attribute) and each.attr == "processEvents":
                    problems.append(at(each, "processEvents in a loop"))
    for node in qt_classes(tree):
        problems += _class_problems(node)
    return problems


def _call_problems(node: ast.Call) -> list[str]:
    problems = []
    name = dotted(node.func) or ""
    last = node.func.attr if isinstance(node.func, ast.Attribute) else name
    if node.keywords and (of_qt(node.func) or on_widget(node.func)):
        problems.append(at(node, f"{last}: PythonQt takes no keyword arguments"))
    if name in ("isinstance", "issubclass") and any(of_qt(each) for arg in node.args[1:] for each in ast.walk(arg)):
        problems.append(at(node, f"{name} does not work with PythonQt's classes"))
    if isinstance(node.func, ast.Attribute) and last == "exec":
        problems.append(at(node, "exec() is called exec_() in PythonQt"))
    if last == "connect" and any(map(is_partial, [*node.args, *(each.value for each in node.keywords)])):
        problems.append(at(node, "PythonQt connects no partial"))
    if last in PROPERTIES and isinstance(node.func, ast.Attribute) and on_widget(node.func.value):
        problems.append(at(node, f"{last} is a property, not a method"))
    return problems


def _import_problems(node) -> list[str]:
    names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
    names += [alias.name for alias in node.names]
    problems = []
    for name in names:
        if FOREIGN.match(name):
            problems.append(at(node, f"{name} is PySide's"))
        if name.partition(".")[0] in ("threading", "_thread") or name.startswith("concurrent.futures"):
            problems.append(at(node, f"{name}: Python in a thread starves in Slicer"))
        if isinstance(node, ast.ImportFrom) and node.module == "qt" and name in ("QThread", "QThreadPool", "QRunnable"):
            problems.append(at(node, f"{name}: Python in a thread starves in Slicer"))
    if isinstance(node, ast.ImportFrom) and node.module in ("qt", "ctk"):
        problems.append(at(node, f"names from {node.module} are written with it, so that these lints see them"))
    return problems


def _class_problems(node: ast.ClassDef) -> list[str]:
    problems = []
    for each in ast.walk(node):
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Call):
            if dotted(each.value.func) == "super" and each.attr != "__init__":
                problems.append(at(each, f"super().{each.attr} is not found by PythonQt"))
    for each in stored_on_self(node):
        if each.attr in SLOTS:
            problems.append(at(each, f"self.{each.attr} hides a method of Qt's"))
    return problems


class _Types:
    """Qt classes of the expressions in one file, as far as they are plain to see.

    Widgets of the .ui file, objects made by a call of their class, variables and attributes of self that hold nothing
    else, loops over tuples of them, functions of the file that return them or are always called with them.
    """

    def __init__(self, tree, widgets: dict[str, str], tables: Tables):
        self._widgets = widgets
        self._tables = tables
        self._tree = tree
        self._functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        self._scopes = {}
        self._owners = {}
        self._of_attributes = {}
        self._of_variables = {}
        self._bases = {}
        self._place(tree, None, None)
        for _ in range(4):  # types flow from one name to the next
            self._flow()

    def _place(self, node, scope, owner):
        """Note for every node which function and which class it is in."""
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                bases = [dotted(base).rpartition(".")[2] for base in child.bases if of_qt(base)]
                self._bases[child] = frozenset(bases)
                self._place(child, None, child)
                continue
            self._scopes[child] = scope
            self._owners[child] = owner
            inner = child if isinstance(child, ast.FunctionDef) else scope
            self._place(child, inner, owner)

    def of(self, node) -> frozenset[str]:
        """Classes that an expression may be of; empty if that is not known."""
        if isinstance(node, ast.Call):
            if of_qt(node.func):
                name = dotted(node.func).split(".")
                return frozenset(name[1:]) if len(name) == 2 and name[1][:1] in "Qcq" else frozenset()
            function = self._functions.get(dotted(node.func))
            if function is not None:
                return self._returned(function)
            return self._yielded(node.func, "method") if isinstance(node.func, ast.Attribute) else frozenset()
        if isinstance(node, ast.Attribute):
            if is_ui(node.value):
                return frozenset([self._widgets[node.attr]] if node.attr in self._widgets else [])
            if dotted(node.value) == "self":
                own = (self._owners.get(node), node.attr)
                if own in self._of_attributes:
                    return self._of_attributes[own] or frozenset()
            if dotted(node) == "slicer.app":
                return frozenset(["qSlicerApplication"])
            return self._yielded(node, "property", "constant")
        if isinstance(node, ast.Name):
            if node.id == "self":
                return self._bases.get(self._owners.get(node), frozenset())
            scope = self._scopes.get(node)
            return self._of_variables.get((scope, node.id)) or frozenset()
        return frozenset()

    def _yielded(self, node, *kinds) -> frozenset[str]:
        """Return the classes of an attribute, or of what its call returns."""
        found = set()
        for name in self.of(node.value):
            if self._tables.members(name).get(node.attr) in kinds:
                found.add(self._tables.yields(name, node.attr))
        return frozenset(found) if None not in found else frozenset()

    def own_names(self, node) -> set[str]:
        """Return the names that the class around a node defines itself."""
        owner = self._owners.get(node)
        names = {each.attr for each in stored_on_self(owner)}
        return names | {each.name for each in owner.body if isinstance(each, ast.FunctionDef)}

    def _returned(self, function) -> frozenset[str]:
        returns = [node for node in ast.walk(function) if isinstance(node, ast.Return) and node.value is not None]
        found = [self.of(node.value) for node in returns]
        return frozenset().union(*found) if found and all(found) else frozenset()

    def _flow(self):
        """One round: what is assigned to every name, None where something unknown is."""
        held = {}

        def hold(target, classes, nothing=False):
            if isinstance(target, ast.Name):
                key = (self._scopes.get(target), target.id)
            elif isinstance(target, ast.Attribute) and dotted(target.value) == "self":
                key = (self._owners.get(target), target.attr)
            else:
                return
            place = held.setdefault((isinstance(target, ast.Name), *key), [])
            if not nothing:
                place.append(classes)

        def assign(target, value):
            if isinstance(target, (ast.Tuple, ast.List)):
                parts = value.elts if isinstance(value, (ast.Tuple, ast.List)) else []
                fits = len(parts) == len(target.elts)
                for index, each in enumerate(target.elts):
                    each = each.value if isinstance(each, ast.Starred) else each
                    assign(each, parts[index] if fits else None)
            else:
                nothing = isinstance(value, ast.Constant) and value.value is None
                hold(target, self.of(value) if value is not None else frozenset(), nothing)

        for node in ast.walk(self._tree):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    assign(target, node.value)
            elif isinstance(node, (ast.For, ast.comprehension)):
                if isinstance(node.iter, (ast.Tuple, ast.List)):
                    for each in node.iter.elts:
                        assign(node.target, each)
                else:
                    assign(node.target, None)
            elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
                assign(node.target, node.value)
            elif isinstance(node, ast.withitem) and node.optional_vars is not None:
                assign(node.optional_vars, None)
            elif isinstance(node, ast.Call) and dotted(node.func) in self._functions:
                function = self._functions[dotted(node.func)]
                for argument, value in zip(function.args.args, node.args, strict=False):
                    held.setdefault((True, function, argument.arg), []).append(self.of(value))
        self._of_variables, self._of_attributes = {}, {}
        for (variable, scope, name), classes in held.items():
            known = frozenset().union(*classes) if classes and all(classes) else None
            (self._of_variables if variable else self._of_attributes)[scope, name] = known


def widget_problems(source: str, widgets: dict[str, str], tables: Tables) -> list[str]:
    """Attributes that a Qt object's class lacks, properties that are called, methods that are assigned to."""
    tree = ast.parse(source)
    types = _Types(tree, widgets, tables)
    called = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    problems = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        own = dotted(node.value) == "self"
        for name in sorted(types.of(node.value)):
            members = tables.members(name)
            kind = members.get("exec" if node.attr == "exec_" else node.attr)  # PythonQt drops the underscore
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
                problems.append(at(node, f"{node.attr} of {name} is not to be assigned"))
    return problems


def _connects(call: ast.Call, signals: set[str]) -> bool:
    """Whether connect() names one of the signals in full, as Qt wants it: "clicked(bool)" or its short form."""
    first = call.args[0] if call.args else None
    return isinstance(first, ast.Constant) and first.value in signals - GONE_SIGNALS


@each_source
def test_code_uses_no_idiom_of_pyside(file):
    assert idiom_problems(read(file)) == []


@each_source
def test_widgets_have_what_the_code_uses_of_them(tables, file):
    assert widget_problems(read(file), ui_classes(read(UI_FILE)), tables) == []


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
def test_an_idiom_of_pyside_is_caught(source):
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
def test_an_idiom_of_pythonqt_passes(source):
    assert idiom_problems(source) == []


WIDGETS = {"label": "QLabel", "button": "QPushButton", "path": "ctkPathLineEdit", "nodes": "qMRMLNodeComboBox"}


@pytest.mark.parametrize(
    "source, problem",
    [
        ("self.ui.label.wordWrap()", "wordWrap of QLabel is a property, not a method"),
        ("self.ui.button.toolTip()", "toolTip of QPushButton is a property, not a method"),
        ("self.ui.nodes.currentNodeID()", "currentNodeID of qMRMLNodeComboBox is a property, not a method"),
        ("self.ui.path.currentPath()", "currentPath of ctkPathLineEdit is a property, not a method"),
        ("self.ui.label.setTexts('')", "QLabel has no setTexts"),
        ("self.ui.label.words = 1", "QLabel has no words"),
        ("self.ui.label.setText = 1", "setText of QLabel is not to be assigned"),
        ("ui = self.ui\nfor w in (ui.label, ui.button):\n    w.setDefault(True)", "QLabel has no setDefault"),
        ("def f():\n    timer = qt.QTimer()\n    timer.begin()", "QTimer has no begin"),
        ("def f():\n    timer = qt.QTimer()\n    timer.start(msec=1)", "start of QTimer: PythonQt takes no keyword"),
        (
            "class A:\n    def f(self):\n        self._t = qt.QTimer()\n    def g(self):\n        self._t.interval()",
            "interval of QTimer is a property",
        ),
        ("def f(box):\n    box.unheard()\nf(self.ui.nodes)", "qMRMLNodeComboBox has no unheard"),
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
        ("slicer.app.layoutManager().sliceWidget('Red').sliceView().unheard()", "qMRMLSliceView has no unheard"),
        ("self.ui.label.palette.unheard()", "QPalette has no unheard"),
        ("class A(qt.QFrame):\n    def f(self):\n        self.palette()", "palette of QFrame is a property"),
        ("class A(qt.QFrame):\n    def f(self):\n        self.unheard()", "QFrame has no unheard"),
        ("class A(qt.QFrame):\n    def f(self):\n        self.repaint = 1", "self.repaint hides a method of QFrame"),
    ],
)
def test_a_wrong_use_of_a_widget_is_caught(tables, source, problem):
    assert any(problem in each for each in widget_problems(source, WIDGETS, tables))


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
def test_a_right_use_of_a_widget_passes(tables, source):
    assert widget_problems(source, WIDGETS, tables) == []


# --- 5. imports ------------------------------------------------------------------------------------------------------

HEAVY = {"torch", "transformers", "peft", "monai", "SimpleITK", "scipy", "totalsegmentator", "reg2rg"}
FINE_WITHIN_FUNCTIONS = {"reg2rg", "scipy"}


def is_type_checking(node) -> bool:
    """Return whether a statement is an ``if TYPE_CHECKING:``, which is never executed."""
    return isinstance(node, ast.If) and dotted(node.test) == "TYPE_CHECKING"


def import_problems(source: str) -> list[str]:
    """Return imports that would slow the start of Slicer, or fail before the engine is found or installed."""
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
        forbidden = HEAVY - FINE_WITHIN_FUNCTIONS if id(node) in within else HEAVY
        problems += [at(node, f"{name} is imported here") for name in sorted(names & forbidden)]
    return problems


def hiding_imports(source: str) -> list[str]:
    """``import a.b`` in a function makes ``a`` local to it: where the import fails, ``a`` is unbound."""
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


LIBRARY = MODULE / "Reg2RGModuleLib"


def listed_files(docstring: str) -> list[str]:
    """Return the files that a package's docstring lists, one or several at the start of an indented line."""
    lists = re.findall(r"^    ([a-z]\w*(?:, [a-z]\w*)*)(?:  |$)", docstring, re.MULTILINE)
    return [name for names in lists for name in names.split(", ")]


def library_imports(source: str) -> set[str]:
    """Return the files of the library that a file imports, also for type hints only."""
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


@each_source
def test_no_import_in_a_function_hides_that_of_the_file(file):
    assert hiding_imports(read(file)) == []


def test_a_hiding_import_is_caught():
    inside = (
        "import slicer\ndef f():\n    try:\n        {0}\n    except ImportError:\n        slicer.util.pip_install('x')"
    )
    assert hiding_imports(inside.format("import slicer.packaging"))
    assert hiding_imports(inside.format("import slicer.packaging as packaging")) == []
    assert hiding_imports(inside.format("from slicer import packaging")) == []


@each_source
def test_nothing_heavy_is_imported_with_the_module(file):
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


# --- 6. translation --------------------------------------------------------------------------------------------------

PHRASE = re.compile(r"[^\W\d_]{2,}[,.;:…]? \(?[^\W\d_]{2,}|[A-Z][a-z]+[.…:]$")
"""What looks like text that a user reads: two words in a row, or one that ends like a sentence."""
MARKUP = re.compile(r"[{};]|^Reg2RG\b|px solid|<[a-z]")
"""Style sheets, HTML, and names that begin with the extension's name."""
TEXT_SETTERS = {"QLabel", "QPushButton", "addItem", "setPlaceholderText", "setText", "setToolTip", "setWindowTitle"}
NOT_TRANSLATED = {
    "findingText.py": {"LABELS_BY_REGION"},  # part of the report, which is English
    "Reg2RGModule.py": {"contributors"},
}
"""File to the names of variables and attributes whose strings are shown as they are."""


def is_translation(node) -> bool:
    return isinstance(node, ast.Call) and dotted(node.func) in ("_", "translate")


def is_string(node) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def translation_problems(source: str, not_translated: frozenset[str] | set[str] = frozenset()) -> list[str]:
    """Return strings that users read and translators never see: lupdate collects only literal arguments of ``_``."""
    tree = ast.parse(source)
    problems = []
    skipped = set()
    for node in ast.walk(tree):
        if is_translation(node):
            skipped.update(id(child) for child in ast.walk(node))
            if not all(is_string(argument) for argument in node.args):
                problems.append(at(node, "the argument of _() is not a literal, so lupdate does not see it"))
        elif isinstance(node, ast.Expr) and is_string(node.value):
            skipped.add(id(node.value))  # docstrings
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {(dotted(target) or "").rpartition(".")[2] for target in targets}
            if names & not_translated:
                skipped.update(id(child) for child in ast.walk(node))
    for node in ast.walk(tree):
        shown = [node] if is_string(node) and PHRASE.search(node.value) and not MARKUP.search(node.value) else []
        if isinstance(node, ast.Call) and (dotted(node.func) or "").rpartition(".")[2] in TEXT_SETTERS:
            shown = [
                argument for argument in node.args if is_string(argument) and re.search(r"[^\W\d_]", argument.value)
            ]
        problems += [at(each, f"{each.value!r} is not translated") for each in shown if id(each) not in skipped]
    return sorted(set(problems))


@each_source
def test_every_string_that_a_user_reads_is_translated(file):
    assert translation_problems(read(file), NOT_TRANSLATED.get(file.name, set())) == []


@pytest.mark.parametrize(
    "source",
    [
        "label.setText('Cancel')",
        "qt.QPushButton('Done')",
        "raise RuntimeError('The volume is empty.')",
        "message = 'Choose a CT volume first.'",
        "self.run.fail(f'The engine ended with {code} today')",
        "STATES = {1: '○ draft state'}",
        "_(STATES[state])",
        "_(f'The engine ended ({code}).')",
        "_('a' + name)",
        "message = 'Cancelled.'",
    ],
)
def test_a_string_without_translation_is_caught(source):
    assert translation_problems(source)


@pytest.mark.parametrize(
    "source",
    [
        "'A docstring in plain words.'",
        "label.setText(_('Cancel'))",
        "raise RuntimeError(_('The volume {0} ' 'is empty.').format(name))",
        "translate('qSlicerAbstractCoreModule', 'Informatics')",
        "STYLE = 'background: white; padding: 5px;'",
        "label.setText('')",
        "process.connect('finished(int,QProcess::ExitStatus)', f)",
        "def text(state):\n    return {1: _('○ draft'), 2: _('✎ edited')}[state]",
    ],
)
def test_a_translated_string_passes(source):
    assert translation_problems(source) == []


def test_strings_of_a_variable_can_be_exempt():
    assert translation_problems("LABELS = ('Lung nodule', 'Liver cyst')", {"LABELS"}) == []
