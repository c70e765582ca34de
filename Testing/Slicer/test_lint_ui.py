"""Lint of the .ui files: they are consistent, bound to the parameters, and have every name that the code uses."""

from __future__ import annotations

import ast
import xml.etree.ElementTree as ElementTree

import pytest
from lint_sources import MODULE, UI_FILES, all_ui_classes, at, dotted, each_source, is_ui, read

SCENE_SIGNAL, SCENE_SLOT = "mrmlSceneChanged(vtkMRMLScene*)", "setMRMLScene(vtkMRMLScene*)"
WITHOUT_SCENE = {
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
"""Widgets that have no slot setMRMLScene."""


def parameter_names(source: str, name: str = "Reg2RGParameters") -> set[str]:
    """Return the annotated members of the class of the parameters."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef) and node.name == name:
            return {member.target.id for member in node.body if isinstance(member, ast.AnnAssign)}
    raise AssertionError(f"no class {name}")


def ui_problems(text: str, parameters: set[str]) -> list[str]:
    """Return problems with declarations, names, connections and parameters in a .ui file."""
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
    problems += ["an element has no name"] * (None in named)
    repeated = {name for name in named if name is not None and named.count(name) > 1}
    problems += [f"{name} is the name of more than one element" for name in sorted(repeated)]

    links = set()
    for node in tree.findall("connections/connection"):
        sender, signal, receiver, slot = (node.findtext(tag) for tag in ("sender", "signal", "receiver", "slot"))
        problems += [f"a connection refers to {name}, which does not exist" for name in {sender, receiver} - set(named)]
        if (sender, signal, receiver, slot) in links:
            problems.append(f"{signal} of {sender} is connected twice to {slot} of {receiver}")
        links.add((sender, signal, receiver, slot))
    for widget in widgets:
        if widget is root or not widget.get("class").startswith("qMRML") or widget.get("class") in WITHOUT_SCENE:
            continue
        if (root.get("name"), SCENE_SIGNAL, widget.get("name"), SCENE_SLOT) not in links:
            problems.append(f"{widget.get('name')} does not get the scene from {root.get('name')}")

    for widget in widgets:
        for node in widget.findall("property[@name='SlicerParameterName']"):
            value = "".join(node.itertext()).strip()
            if value not in parameters:
                problems.append(f"{widget.get('name')} is bound to {value}, which is not a parameter")
    return problems


def ui_name_problems(source: str, names: set[str]) -> list[str]:
    """Return uses of ``ui`` with names that no .ui file has."""
    problems = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and is_ui(node.value) and node.attr not in names:
            problems.append(at(node, f"ui.{node.attr} is not in the .ui file"))
        by_name = isinstance(node, ast.Call) and dotted(node.func) in ("getattr", "setattr", "hasattr")
        if by_name and is_ui(node.args[0]):
            if not isinstance(node.args[1], ast.Constant) or node.args[1].value not in names:
                problems.append(at(node, f"{node.func.id} of ui with a name that is not in the .ui file"))
    return problems


@pytest.mark.parametrize("file", UI_FILES, ids=lambda file: file.name)
def test_a_ui_file_is_consistent_and_bound_to_the_parameters(file):
    parameters = parameter_names(read(MODULE / "Reg2RGModuleLib" / "parameters.py"))
    assert ui_problems(read(file), parameters) == []


@each_source
def test_every_ui_name_in_the_code_exists_in_a_ui_file(file):
    assert ui_name_problems(read(file), set(all_ui_classes())) == []


BAD_UI = """<ui version="4.0"><class>M</class>
<widget class="qMRMLWidget" name="M"><layout class="QVBoxLayout" name="box">
 <item><widget class="qMRMLNodeComboBox" name="one">
  <property name="SlicerParameterName" stdset="0"><string notr="true">unknown</string></property></widget></item>
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
        "one does not get the scene from M",
        "a connection refers to gone, which does not exist",
        "one is bound to unknown, which is not a parameter",
        "twin is the name of more than one element",
    ],
)
def test_a_bad_ui_file_is_caught(problem):
    assert problem in ui_problems(BAD_UI, {"known"})


@pytest.mark.parametrize("line", ["self.ui.gone.setText('')", "ui.gone.enabled = True", "getattr(self.ui, 'gone')"])
def test_a_name_missing_from_the_ui_file_is_caught(line):
    assert ui_name_problems(line, {"present"})
    assert ui_name_problems(line.replace("gone", "present"), {"present"}) == []
