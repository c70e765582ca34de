"""How widgets hold the values of members."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6 import QtWidgets

from slicer_host.ctk_widgets import ctkPathLineEdit, ctkSliderWidget
from slicer_host.mrml_widgets import qMRMLNodeComboBox
from slicer_host.parameter_nodes.members import Member
from slicer_host.parameter_nodes.validators import Choice, Decimals, Maximum, Minimum, SingleStep, WithinRange


@dataclass(frozen=True)
class Connector:
    """How one widget holds a value.

    Attributes:
        signal: Name of the signal that announces a change; "" if the widget only shows the value.
        read: Returns the value.
        write: Sets the value.
    """

    signal: str
    read: Callable[[], Any]
    write: Callable[[Any], object]


def connector_of(widget: QtWidgets.QWidget, member: Member) -> Connector:
    """Return how a widget holds the values of a member, and give the widget the member's range.

    As in Slicer, the class must match exactly; a subclass has no connector.

    Raises:
        RuntimeError: If the widget cannot hold such values.
    """
    make = _CONNECTORS.get(type(widget))
    if make is None:
        raise RuntimeError(f"Unable to create GUI connector for {type(widget).__name__} and {member.name}")
    return make(widget, member)


def _property(name: str, signal: str) -> Callable[[Any, Member], Connector]:
    def make(widget: Any, member: Member) -> Connector:
        convert = member.value_type if member.value_type in (int, float, bool, str) else lambda value: value
        return Connector(signal, lambda: convert(widget.property(name)), lambda value: widget.setProperty(name, value))

    return make


def _number(widget: Any, member: Member) -> Connector:
    for extra in (*member.validators, *member.display):
        if isinstance(extra, (WithinRange, Minimum)):
            widget.setProperty("minimum", extra.minimum)
        if isinstance(extra, (WithinRange, Maximum)):
            widget.setProperty("maximum", extra.maximum)
        if isinstance(extra, Decimals):
            widget.setProperty("decimals", extra.value)
        if isinstance(extra, SingleStep):
            widget.setProperty("singleStep", extra.value)
    return _property("value", "valueChanged")(widget, member)


def _push_button(widget: Any, member: Member) -> Connector:
    widget.setCheckable(True)
    return _property("checked", "toggled")(widget, member)


def _node_selector(widget: Any, member: Member) -> Connector:
    return Connector("currentNodeChanged", widget.currentNode, widget.setCurrentNode)


def _path(widget: Any, member: Member) -> Connector:
    return Connector(
        "currentPathChanged",
        lambda: member.value_type(widget.property("currentPath")),
        lambda value: widget.setProperty("currentPath", str(value)),
    )


def _combo_box(widget: Any, member: Member) -> Connector:
    choices = [choice for extra in member.validators if isinstance(extra, Choice) for choice in extra.choices]
    if isinstance(member.value_type, type) and issubclass(member.value_type, enum.Enum):
        choices = list(member.value_type)
    if not choices:
        raise RuntimeError(f"Unable to create GUI connector for {type(widget).__name__} and {member.name}: no choices")
    widget.blockSignals(True)
    widget.clear()
    for choice in choices:
        widget.addItem(_text_of(choice))
    widget.blockSignals(False)
    return Connector(
        "currentIndexChanged",
        lambda: choices[widget.property("currentIndex")],
        lambda value: widget.setCurrentIndex(choices.index(value)),
    )


def _text_of(choice: Any) -> str:
    if isinstance(choice, enum.Enum):
        return choice.label() if hasattr(choice, "label") else choice.name
    return str(choice)


_CONNECTORS: dict[type, Callable[[Any, Member], Connector]] = {
    qMRMLNodeComboBox: _node_selector,
    QtWidgets.QCheckBox: _property("checked", "toggled"),
    QtWidgets.QPushButton: _push_button,
    QtWidgets.QLineEdit: _property("text", "textChanged"),
    QtWidgets.QTextEdit: _property("plainText", "textChanged"),
    QtWidgets.QLabel: _property("text", ""),
    QtWidgets.QSlider: _number,
    QtWidgets.QSpinBox: _number,
    QtWidgets.QDoubleSpinBox: _number,
    ctkSliderWidget: _number,
    QtWidgets.QComboBox: _combo_box,
    ctkPathLineEdit: _path,
}
