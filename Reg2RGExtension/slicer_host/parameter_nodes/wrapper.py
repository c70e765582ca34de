"""The class decorator: a class whose members are stored in a vtkMRMLScriptedModuleNode."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import vtk
from PySide6 import QtWidgets

from slicer_host.parameter_nodes.connectors import connector_of
from slicer_host.parameter_nodes.members import Member, Wrapped, find_member, get_value, make_members, set_value
from slicer_host.parameter_nodes.validators import Default

if TYPE_CHECKING:
    from slicer import vtkMRMLScriptedModuleNode

_WRAPPER = "_is_parameter_node_wrapper"


class _Wrapper:
    """The methods that a wrapped class receives."""

    allParameters: dict[str, Member]

    def __init__(self, parameterNode: vtkMRMLScriptedModuleNode, prefix: str | None = None) -> None:
        self.parameterNode = parameterNode
        self._prefix = f"{prefix}." if prefix else ""
        self._connections: dict[int, list[Callable[[], object]]] = {}

    def _read(self, member: Member) -> Any:
        name = self._prefix + member.name
        if not member.kind.is_stored(self.parameterNode, name):
            if not hasattr(member.default, "allParameters"):
                return member.default
            member.kind.write(self.parameterNode, name, member.default)  # A pack is a view of what is stored.
        return member.kind.read(self.parameterNode, name)

    def _write(self, member: Member, value: Any) -> None:
        was_modifying = self.parameterNode.StartModify()
        member.kind.write(self.parameterNode, self._prefix + member.name, value)
        self.parameterNode.EndModify(was_modifying)

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
        return get_value(self, name)

    def setValue(self, name: str, value: Any) -> None:
        set_value(self, name, value)

    def dataType(self, name: str) -> Any:
        return find_member(self, name)[1].value_type

    def isCached(self, name: str) -> bool:
        return False

    def default(self, name: str) -> Default:
        return Default(find_member(self, name)[1].default)

    def connectGui(self, gui: Any) -> int:
        """Connect widgets with the parameters that they name in SlicerParameterName, both ways.

        Args:
            gui: A widget, or an object whose attributes are widgets.

        Returns:
            A tag to disconnect them with.
        """
        if isinstance(gui, QtWidgets.QWidget):
            widgets = [gui, *gui.findChildren(QtWidgets.QWidget)]
        else:
            widgets = [member for member in vars(gui).values() if isinstance(member, QtWidgets.QWidget)]
        named = {widget.property("SlicerParameterName"): widget for widget in widgets}
        return self.connectParametersToGui({name: widget for name, widget in named.items() if name})

    def connectParametersToGui(self, mapping: dict[str, QtWidgets.QWidget]) -> int:
        """Connect widgets, given by the name of their parameter, both ways; returns a tag to disconnect them with."""
        undo: list[Callable[[], object]] = []
        for name, widget in mapping.items():
            undo += _connect_widget(self, widget, name)
        tag = len(self._connections) + 1
        self._connections[tag] = undo
        return tag

    def disconnectGui(self, tag: int) -> None:
        """Disconnect what ``connectGui`` connected."""
        for undo in self._connections.pop(tag):
            undo()


def parameterNodeWrapper(wrapped: Wrapped) -> Wrapped:
    """Turn the annotated members of a class into parameters; a class decorator."""
    members = make_members(wrapped)
    methods = {name: member for name, member in vars(_Wrapper).items() if isinstance(member, types.FunctionType)}
    for name, member in {**methods, "allParameters": members, _WRAPPER: True}.items():
        setattr(wrapped, name, member)
    return wrapped


def isParameterNodeWrapper(wrapper: Any) -> bool:
    """Return whether a class or object is wrapped."""
    return getattr(wrapper, _WRAPPER, False)


def _connect_widget(owner: Any, widget: QtWidgets.QWidget, name: str) -> list[Callable[[], object]]:
    """Connect a widget with a parameter and return what disconnects them."""
    connector = connector_of(widget, find_member(owner, name)[1])

    def to_node(*_: object) -> None:
        set_value(owner, name, connector.read())

    def to_widget(*_: object) -> None:
        value = get_value(owner, name)
        if connector.read() != value:
            connector.write(value)

    to_widget()
    observer = owner.parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, to_widget)
    undo: list[Callable[[], object]] = [lambda: owner.parameterNode.RemoveObserver(observer)]
    if connector.signal:
        getattr(widget, connector.signal).connect(to_node)
        undo.append(lambda: getattr(widget, connector.signal).disconnect(to_node))
    return undo
