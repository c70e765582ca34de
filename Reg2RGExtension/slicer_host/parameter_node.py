"""``slicer.parameterNodeWrapper``: a class whose members live in a vtkMRMLScriptedModuleNode; the subset in use.

Members of type int, float, str, bool and MRML nodes, plain or in Annotated with Default, WithinRange, Minimum, Maximum
or Choice, and their connection to widgets by the dynamic property SlicerParameterName. Other types are refused when the
class is made, as Slicer refuses what it has no serialiser for.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import slicer
import vtk
from PySide6 import QtWidgets

from slicer_host import ctk_module, mrml_widgets

__all__ = ["parameterNodeWrapper", "Default", "WithinRange", "Minimum", "Maximum", "Choice"]


@dataclass(frozen=True)
class Default:
    value: Any


@dataclass(frozen=True)
class WithinRange:
    minimum: float
    maximum: float

    def check(self, value: Any) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within {self.minimum} and {self.maximum}, was {value}")


@dataclass(frozen=True)
class Minimum:
    minimum: float

    def check(self, value: Any) -> None:
        if value < self.minimum:
            raise ValueError(f"Value must be at least {self.minimum}, was {value}")


@dataclass(frozen=True)
class Maximum:
    maximum: float

    def check(self, value: Any) -> None:
        if value > self.maximum:
            raise ValueError(f"Value must be at most {self.maximum}, was {value}")


class Choice:
    def __init__(self, choices: list[Any]) -> None:
        self.choices = list(choices)

    def check(self, value: Any) -> None:
        if value not in self.choices:
            raise ValueError(f"Value must be one of {self.choices}, was {value!r}")


_PLAIN = {int: 0, float: 0.0, str: "", bool: False}
_FROM_TEXT: dict[type, Callable[[str], Any]] = {int: int, float: float, str: str, bool: lambda text: text == "True"}


class _Member:
    """Reads and writes one member, as a descriptor."""

    def __init__(self, name: str, annotation: Any, assigned: Any) -> None:
        self.name = name
        annotations: tuple[Any, ...] = ()
        if typing.get_origin(annotation) is typing.Annotated:
            annotation, *annotations = typing.get_args(annotation)
        self.kind = annotation
        self.checks = [item for item in annotations if hasattr(item, "check")]
        self.is_node = isinstance(annotation, type) and issubclass(annotation, slicer.vtkMRMLNode)
        if not self.is_node and annotation not in _PLAIN:
            raise TypeError(f"No serializer for {annotation!r}, the type of {name}")
        defaults = [item.value for item in annotations if isinstance(item, Default)]
        self.default = assigned if assigned is not None else (defaults or [_PLAIN.get(annotation)])[0]

    def __get__(self, owner: Any, kind: type | None = None) -> Any:
        if owner is None:
            return self
        node = owner.parameterNode
        if self.is_node:
            return node.GetNodeReference(self.name)
        text = node.GetParameter(self.name)
        return self.default if text == "" and not node.GetParameterNames().count(self.name) else _read(self.kind, text)

    def __set__(self, owner: Any, value: Any) -> None:
        if self.is_node:
            if value is not None and not isinstance(value, self.kind):
                raise TypeError(f"{self.name} takes a {self.kind.__name__} or None, not {value!r}")
            owner.parameterNode.SetNodeReferenceID(self.name, value.GetID() if value is not None else None)
            return
        fits = isinstance(value, (int, float)) if self.kind is float else type(value) is self.kind
        if not fits:
            raise TypeError(f"{self.name} takes a {self.kind.__name__}, not {value!r}")
        for check in self.checks:
            check.check(value)
        owner.parameterNode.SetParameter(self.name, str(value))


def _read(kind: type, text: str) -> Any:
    return _FROM_TEXT[kind](text)


def parameterNodeWrapper(wrapped: type) -> type:
    """Class decorator: annotated members become parameters."""
    hints = typing.get_type_hints(wrapped, include_extras=True)
    members = {name: _Member(name, hint, getattr(wrapped, name, None)) for name, hint in hints.items()}
    for name, member in members.items():
        setattr(wrapped, name, member)

    def __init__(self: Any, parameterNode: Any, prefix: str | None = None) -> None:
        self.parameterNode = parameterNode
        self._tags = {}

    wrapped.__init__ = __init__
    wrapped.AddObserver = lambda self, *arguments: self.parameterNode.AddObserver(*arguments)
    wrapped.RemoveObserver = lambda self, tag: self.parameterNode.RemoveObserver(tag)
    wrapped.StartModify = lambda self: self.parameterNode.StartModify()
    wrapped.EndModify = lambda self, was: self.parameterNode.EndModify(was)
    wrapped.Modified = lambda self: self.parameterNode.Modified()
    wrapped.getValue = lambda self, name: getattr(self, name)
    wrapped.setValue = lambda self, name, value: setattr(self, name, value)
    wrapped.default = lambda self, name: Default(members[name].default)
    wrapped.connectGui = lambda self, gui: _connect_gui(self, gui, members)
    wrapped.disconnectGui = _disconnect_gui
    return wrapped


@dataclass(frozen=True)
class _Connector:
    """How a kind of widget holds a value."""

    signal: str
    read: Callable[[Any], Any]
    write: Callable[[Any, Any], None]


def _of_value(signal: str) -> _Connector:
    return _Connector(signal, lambda widget: widget.value, lambda widget, value: setattr(widget, "value", value))


_CONNECTORS: dict[type, _Connector] = {
    mrml_widgets.qMRMLNodeComboBox: _Connector(
        "currentNodeChanged", lambda widget: widget.currentNode(), lambda widget, node: widget.setCurrentNode(node)
    ),
    QtWidgets.QCheckBox: _Connector(
        "toggled", lambda widget: widget.checked, lambda widget, value: widget.setChecked(value)
    ),
    QtWidgets.QLineEdit: _Connector(
        "textChanged", lambda widget: widget.text, lambda widget, value: widget.setText(value)
    ),
    QtWidgets.QSpinBox: _of_value("valueChanged"),
    QtWidgets.QDoubleSpinBox: _of_value("valueChanged"),
    ctk_module.ctkSliderWidget: _of_value("valueChanged"),
}


def _connect_gui(owner: Any, gui: Any, members: dict[str, _Member]) -> int:
    """Tie widgets that name a parameter to it, both ways; the tag undoes it."""
    if isinstance(gui, QtWidgets.QWidget):
        widgets = gui.findChildren(QtWidgets.QWidget)
    else:
        widgets = [item for item in vars(gui).values() if isinstance(item, QtWidgets.QWidget)]
    undo: list[Callable[[], Any]] = []
    for widget in widgets:
        name = widget.property("SlicerParameterName")
        if not name:
            continue
        if name not in members:
            raise ValueError(f"There is no parameter {name!r}; widget {widget.name} names it")
        if type(widget) not in _CONNECTORS:
            raise RuntimeError(f"Unable to create GUI connector for {type(widget).__name__} and {name}")
        undo += _connect_widget(owner, widget, members[name])
    tag = len(owner._tags) + 1
    owner._tags[tag] = undo
    return tag


def _connect_widget(owner: Any, widget: Any, member: _Member) -> list[Callable[[], Any]]:
    connector = _CONNECTORS[type(widget)]
    for check in member.checks:
        if isinstance(check, WithinRange):
            widget.minimum, widget.maximum = check.minimum, check.maximum

    def to_node(*_: Any) -> None:
        member.__set__(owner, member.kind(connector.read(widget)) if not member.is_node else connector.read(widget))

    def to_widget(*_: Any) -> None:
        value = member.__get__(owner)
        if connector.read(widget) != value:
            connector.write(widget, value)

    to_widget()
    getattr(widget, connector.signal).connect(to_node)
    observer = owner.parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, to_widget)
    return [
        lambda: getattr(widget, connector.signal).disconnect(to_node),
        lambda: owner.parameterNode.RemoveObserver(observer),
    ]


def _disconnect_gui(self: Any, tag: int) -> None:
    for undo in self._tags.pop(tag):
        undo()
