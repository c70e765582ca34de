"""The host's parameter nodes hold what those of Slicer hold: packs, enums, lists, paths, unions, prefixes."""

from __future__ import annotations

import enum
import pathlib
from typing import Annotated, Any

import ctk
import pytest
import qt
import slicer
from slicer.parameterNodeWrapper import (
    Choice,
    Decimals,
    Default,
    Exclude,
    FloatRange,
    Minimum,
    NotNone,
    RangeBounds,
    SingleStep,
    WithinRange,
    isParameterNodeWrapper,
    isParameterPack,
    parameterNodeWrapper,
    parameterPack,
)


class Side(enum.Enum):
    LEFT = 1
    RIGHT = 2


@parameterPack
class Point:
    x: Annotated[float, WithinRange(-10, 10)]
    y: float = 2.0


@parameterPack
class Box:
    corner: Point
    name: str = "box"


@parameterNodeWrapper
class Parameters:
    side: Side
    box: Box
    numbers: list[int]
    pair: tuple[int, str]
    table: dict[str, float]
    path: pathlib.Path
    maybe: int | None
    either: str | bool = "both"
    new: int | None = 3
    anything: Any
    window: Annotated[FloatRange, RangeBounds(-100, 100)] = FloatRange(0, 10)
    volumes: list[slicer.vtkMRMLScalarVolumeNode]
    mode: Annotated[str, Choice(["fast", "slow"])] = "fast"
    odd: Annotated[int, Exclude([2, 4]), Minimum(1)] = 1
    made: Annotated[list[str], Default(generator=lambda: ["a"])]
    step: Annotated[float, WithinRange(0, 1), Decimals(3), SingleStep(0.125)] = 0.5


@pytest.fixture
def node():
    slicer.mrmlScene.Clear(0)
    yield slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    slicer.mrmlScene.Clear(0)


@pytest.fixture
def parameters(node):
    return Parameters(node)


def test_members_start_with_their_defaults(parameters):
    assert parameters.side is Side.LEFT
    assert (parameters.box.name, parameters.box.corner.y) == ("box", 2.0)
    assert (parameters.numbers, parameters.table, parameters.pair) == ([], {}, (0, ""))
    assert (parameters.maybe, parameters.either, parameters.new) == (None, "both", 3)
    assert parameters.path == pathlib.Path()
    assert parameters.made == ["a"]
    assert parameters.default("mode").value == "fast"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("side", Side.RIGHT),
        ("numbers", [3, 1, 2]),
        ("pair", (4, "four")),
        ("table", {"a": 1.5, "b": -2.0}),
        ("path", pathlib.Path("/tmp/file.txt")),
        ("maybe", 7),
        ("maybe", None),
        ("either", True),
        ("anything", 2.5),
        ("anything", None),
        ("window", FloatRange(-5, 5)),
        ("box.corner.x", -3.0),
        ("box", Box(corner=Point(1.0, 4.0), name="other")),
    ],
)
def test_values_are_stored_in_the_node(node, parameters, name, value):
    parameters.setValue(name, value)
    assert Parameters(node).getValue(name) == value


def test_nodes_in_lists_are_references(node, parameters):
    volumes = [slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode") for _ in range(2)]
    parameters.volumes = volumes
    assert Parameters(node).volumes == volumes
    slicer.mrmlScene.RemoveNode(volumes[0])
    assert Parameters(node).volumes[0] is None


def test_changes_of_a_stored_list_and_pack_are_stored(node, parameters):
    parameters.numbers = [1]
    parameters.numbers.append(2)
    parameters.numbers[0] = 9
    parameters.box.corner.x = 5.0
    assert Parameters(node).numbers == [9, 2]
    assert Parameters(node).box.corner.x == 5.0
    with pytest.raises(TypeError):
        parameters.numbers.append("three")


def test_a_prefix_separates_two_sets_of_parameters_in_a_node(node):
    first, second = Parameters(node, prefix="first"), Parameters(node, prefix="second")
    first.mode = "slow"
    assert (first.mode, second.mode, Parameters(node).mode) == ("slow", "fast", "fast")


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("mode", "medium", ValueError),
        ("odd", 2, ValueError),
        ("odd", 0, ValueError),
        ("odd", 3.0, TypeError),
        ("odd", None, ValueError),
        ("side", 1, TypeError),
        ("numbers", ["a"], TypeError),
        ("numbers", (1, 2), TypeError),
        ("pair", (1,), TypeError),
        ("window", FloatRange(0, 101), ValueError),
        ("box.corner.x", 11.0, ValueError),
        ("either", 5, TypeError),
        ("path", "/tmp", TypeError),
    ],
)
def test_values_that_are_not_allowed_are_refused(parameters, name, value, error):
    before = parameters.getValue(name)
    with pytest.raises(error):
        parameters.setValue(name, value)
    assert parameters.getValue(name) == before


def test_an_unknown_member_is_refused(parameters):
    with pytest.raises(ValueError, match="no parameter 'z'"):
        parameters.setValue("box.corner.z", 1.0)


def test_a_default_that_is_not_allowed_is_refused_when_the_class_is_defined():
    class Wrong:
        member: Annotated[int, WithinRange(0, 5), NotNone()] = 9

    with pytest.raises(ValueError, match="within"):
        parameterNodeWrapper(Wrong)


def test_packs_and_wrappers_are_recognized():
    assert isParameterPack(Point) and isParameterPack(Point()) and not isParameterPack(Parameters)
    assert isParameterNodeWrapper(Parameters) and not isParameterNodeWrapper(Point)


@pytest.mark.parametrize(
    ("make", "name", "value", "change"),
    [
        (qt.QComboBox, "side", Side.RIGHT, lambda box: box.setCurrentIndex(1)),
        (qt.QComboBox, "mode", "slow", lambda box: box.setCurrentIndex(1)),
        (qt.QSpinBox, "odd", 7, lambda box: box.setValue(7)),
        (qt.QLineEdit, "box.name", "typed", lambda edit: edit.setText("typed")),
        (qt.QTextEdit, "box.name", "typed", lambda edit: edit.setPlainText("typed")),
        (qt.QDoubleSpinBox, "step", 0.125, lambda box: box.setValue(0.125)),
        (ctk.ctkSliderWidget, "step", 0.25, lambda slider: slider.setValue(0.25)),
        (ctk.ctkPathLineEdit, "path", pathlib.Path("/tmp"), lambda edit: edit.setCurrentPath("/tmp")),
    ],
)
def test_widgets_and_members_follow_each_other(parameters, make, name, value, change):
    parameters.path = pathlib.Path("/")
    widget = make()
    widget.setProperty("SlicerParameterName", name)
    tag = parameters.connectGui(widget)
    before = parameters.getValue(name)
    change(widget)
    assert parameters.getValue(name) == value
    parameters.setValue(name, before)
    parameters.disconnectGui(tag)
    change(widget)
    assert parameters.getValue(name) == before


def test_a_widget_that_cannot_hold_a_member_is_refused(parameters):
    for widget, name in ((qt.QPlainTextEdit(), "mode"), (qt.QComboBox(), "box.name")):
        widget.setProperty("SlicerParameterName", name)
        with pytest.raises(RuntimeError, match="connector"):
            parameters.connectGui(widget)
