"""``slicer.parameterNodeWrapper``: a class whose members are stored in a vtkMRMLScriptedModuleNode.

Members can be int, float, str, bool or MRML nodes, either plain or Annotated with Default, WithinRange, Minimum,
Maximum or Choice. The dynamic property SlicerParameterName connects widgets to them. Other types are refused when the
class is defined, just as Slicer refuses types that it has no serializer for.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import slicer
import vtk
from PySide6 import QtWidgets

from slicer_host.ctk_widgets import ctkSliderWidget
from slicer_host.mrml_widgets import qMRMLNodeComboBox

if TYPE_CHECKING:
    from slicer import vtkMRMLScriptedModuleNode

__all__ = ["parameterNodeWrapper", "Default", "WithinRange", "Minimum", "Maximum", "Choice"]

Wrapped = TypeVar("Wrapped", bound=type)


@dataclass(frozen=True)
class Default:
    """The value of a parameter that has not been set."""

    value: Any


class _Validator(Protocol):
    def check(self, value: Any) -> None:
        """Raise ValueError if a value is not allowed."""


@dataclass(frozen=True)
class WithinRange:
    """Allows values within a range, including both ends."""

    minimum: float
    maximum: float

    def check(self, value: float) -> None:
        """Raise ValueError if a value is not allowed."""
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within {self.minimum} and {self.maximum}, was {value}")


@dataclass(frozen=True)
class Minimum:
    """Allows values that are not below a minimum."""

    minimum: float

    def check(self, value: float) -> None:
        """Raise ValueError if a value is not allowed."""
        if value < self.minimum:
            raise ValueError(f"Value must be at least {self.minimum}, was {value}")


@dataclass(frozen=True)
class Maximum:
    """Allows values that are not above a maximum."""

    maximum: float

    def check(self, value: float) -> None:
        """Raise ValueError if a value is not allowed."""
        if value > self.maximum:
            raise ValueError(f"Value must be at most {self.maximum}, was {value}")


class Choice:
    """Allows only the values in a list."""

    def __init__(self, choices: Sequence[Any]) -> None:
        self.choices = list(choices)

    def check(self, value: Any) -> None:
        """Raise ValueError if a value is not allowed."""
        if value not in self.choices:
            raise ValueError(f"Value must be one of {self.choices}, was {value!r}")


_INITIAL_VALUES: dict[type, Any] = {int: 0, float: 0.0, str: "", bool: False}
_PARSERS: dict[type, Callable[[str], Any]] = {int: int, float: float, str: str, bool: lambda text: text == "True"}


class _Parameter:
    """A descriptor that reads and writes one parameter."""

    def __init__(self, name: str, annotation: Any, assigned: Any) -> None:
        self.name = name
        extras: Sequence[Any] = ()
        if typing.get_origin(annotation) is typing.Annotated:
            annotation, *extras = typing.get_args(annotation)
        self.value_type: type[Any] = annotation
        self.is_node = isinstance(annotation, type) and issubclass(annotation, slicer.vtkMRMLNode)
        if not self.is_node and annotation not in _INITIAL_VALUES:
            raise TypeError(f"No serializer for {annotation!r}, the type of {name}")
        self.validators: list[_Validator] = [extra for extra in extras if hasattr(extra, "check")]
        defaults = [extra.value for extra in extras if isinstance(extra, Default)]
        if assigned is not None:
            self.default = assigned
        elif defaults:
            self.default = defaults[0]
        else:
            self.default = _INITIAL_VALUES.get(annotation)

    def __get__(self, owner: _Wrapper | None, owner_type: type | None = None) -> Any:
        if owner is None:
            return self
        node = owner.parameterNode
        if self.is_node:
            return node.GetNodeReference(self.name)
        text = node.GetParameter(self.name)
        if text == "" and self.name not in node.GetParameterNames():
            return self.default
        return _PARSERS[self.value_type](text)

    def __set__(self, owner: _Wrapper, value: Any) -> None:
        if self.is_node:
            if value is not None and not isinstance(value, self.value_type):
                raise TypeError(f"{self.name} takes a {self.value_type.__name__} or None, not {value!r}")
            owner.parameterNode.SetNodeReferenceID(self.name, value.GetID() if value is not None else None)
            return
        fits = isinstance(value, (int, float)) if self.value_type is float else type(value) is self.value_type
        if not fits:
            raise TypeError(f"{self.name} takes a {self.value_type.__name__}, not {value!r}")
        for validator in self.validators:
            validator.check(value)
        owner.parameterNode.SetParameter(self.name, str(value))


class _Wrapper:
    """The methods that are added to a wrapped class."""

    _parameters: dict[str, _Parameter]

    def __init__(self, parameterNode: vtkMRMLScriptedModuleNode, prefix: str | None = None) -> None:
        self.parameterNode = parameterNode
        self._connections: dict[int, list[Callable[[], object]]] = {}

    def AddObserver(self, *arguments: Any) -> int:
        return self.parameterNode.AddObserver(*arguments)

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)

    def StartModify(self) -> int:
        return self.parameterNode.StartModify()

    def EndModify(self, was_modifying: int) -> int:
        return self.parameterNode.EndModify(was_modifying)

    def Modified(self) -> None:
        self.parameterNode.Modified()

    def getValue(self, name: str) -> Any:
        return getattr(self, name)

    def setValue(self, name: str, value: Any) -> None:
        setattr(self, name, value)

    def default(self, name: str) -> Default:
        return Default(self._parameters[name].default)

    def connectGui(self, gui: Any) -> int:
        """Connect widgets to the parameters that they name, in both directions.

        Args:
            gui: A widget, or an object whose attributes are widgets.

        Returns:
            A tag for ``disconnectGui``.
        """
        if isinstance(gui, QtWidgets.QWidget):
            widgets = gui.findChildren(QtWidgets.QWidget)
        else:
            widgets = [member for member in vars(gui).values() if isinstance(member, QtWidgets.QWidget)]
        undo: list[Callable[[], object]] = []
        for widget in widgets:
            name = widget.property("SlicerParameterName")
            if not name:
                continue
            if name not in self._parameters:
                raise ValueError(f"Widget {widget.objectName} refers to an unknown parameter {name!r}")
            if type(widget) not in _CONNECTORS:
                raise RuntimeError(f"Unable to create GUI connector for {type(widget).__name__} and {name}")
            undo += _connect_widget(self, widget, self._parameters[name])
        tag = len(self._connections) + 1
        self._connections[tag] = undo
        return tag

    def disconnectGui(self, tag: int) -> None:
        """Disconnect the widgets that ``connectGui`` connected."""
        for undo in self._connections.pop(tag):
            undo()


def parameterNodeWrapper(wrapped: Wrapped) -> Wrapped:
    """Turn the annotated members of a class into parameters. This is a class decorator."""
    hints = typing.get_type_hints(wrapped, include_extras=True)
    parameters = {name: _Parameter(name, hint, getattr(wrapped, name, None)) for name, hint in hints.items()}
    methods = {name: member for name, member in vars(_Wrapper).items() if isinstance(member, types.FunctionType)}
    for name, member in {**parameters, **methods, "_parameters": parameters}.items():
        setattr(wrapped, name, member)
    return wrapped


@dataclass(frozen=True)
class _Connector:
    """How to read and write the value of a widget class, and the signal for changes."""

    signal: str
    read: Callable[[Any], Any]
    write: Callable[[Any, Any], object]


def _connect_property(name: str, signal: str) -> _Connector:
    """Return the connector of a widget class that stores its value in a Q_PROPERTY."""
    return _Connector(
        signal, lambda widget: widget.property(name), lambda widget, value: widget.setProperty(name, value)
    )


_CONNECTORS: dict[type, _Connector] = {
    qMRMLNodeComboBox: _Connector(
        "currentNodeChanged",
        lambda selector: selector.currentNode(),
        lambda selector, node: selector.setCurrentNode(node),
    ),
    QtWidgets.QCheckBox: _connect_property("checked", "toggled"),
    QtWidgets.QLineEdit: _connect_property("text", "textChanged"),
    QtWidgets.QSpinBox: _connect_property("value", "valueChanged"),
    QtWidgets.QDoubleSpinBox: _connect_property("value", "valueChanged"),
    ctkSliderWidget: _connect_property("value", "valueChanged"),
}


def _connect_widget(owner: _Wrapper, widget: QtWidgets.QWidget, parameter: _Parameter) -> list[Callable[[], object]]:
    """Connect a widget to a parameter and return functions that disconnect them."""
    connector = _CONNECTORS[type(widget)]
    for validator in parameter.validators:
        if isinstance(validator, WithinRange):
            widget.setProperty("minimum", validator.minimum)
            widget.setProperty("maximum", validator.maximum)

    def to_node(*_: object) -> None:
        value = connector.read(widget)
        parameter.__set__(owner, value if parameter.is_node else parameter.value_type(value))

    def to_widget(*_: object) -> None:
        value = parameter.__get__(owner)
        if connector.read(widget) != value:
            connector.write(widget, value)

    to_widget()
    getattr(widget, connector.signal).connect(to_node)
    observer = owner.parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, to_widget)
    return [
        lambda: getattr(widget, connector.signal).disconnect(to_node),
        lambda: owner.parameterNode.RemoveObserver(observer),
    ]
