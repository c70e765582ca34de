"""How values of each type are stored in a parameter node."""

from __future__ import annotations

import enum
import pathlib
import types
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import slicer

if TYPE_CHECKING:
    from slicer import vtkMRMLScriptedModuleNode as Node


@dataclass(frozen=True)
class FloatRange:
    """A range of numbers."""

    minimum: float
    maximum: float

    def __post_init__(self) -> None:
        if self.minimum > self.maximum:
            raise ValueError(f"The minimum {self.minimum} is larger than the maximum {self.maximum}")


class Kind:
    """A type of values: what it accepts, and how values are stored under a name."""

    def initial(self) -> Any:
        """Return the value of a member without a default."""
        return None

    def check(self, value: Any) -> None:
        """Raise ValueError for None and TypeError for a value of another type."""

    def is_stored(self, node: Node, name: str) -> bool:
        """Return whether a value is stored."""
        return name in node.GetParameterNames()

    def read(self, node: Node, name: str) -> Any:
        """Return the stored value."""
        raise NotImplementedError

    def write(self, node: Node, name: str, value: Any) -> None:
        """Store a value."""
        raise NotImplementedError


class Text(Kind):
    """A type whose values are stored as text."""

    def __init__(
        self, value_type: type, parse: Callable[[str], Any], initial: Any, format_value: Callable[[Any], str] = str
    ) -> None:
        self.value_type = value_type
        self._parse, self._initial, self._format = parse, initial, format_value

    def initial(self) -> Any:
        return self._initial

    def check(self, value: Any) -> None:
        if value is None:
            raise ValueError("Value must not be None")
        numbers = (int, float) if self.value_type is float else self.value_type
        is_bool = isinstance(value, bool) and self.value_type is not bool
        if not isinstance(value, numbers) or is_bool:
            raise TypeError(f"Value must be of type {self.value_type.__name__}, was {value!r}")

    def read(self, node: Node, name: str) -> Any:
        return self._parse(node.GetParameter(name))

    def write(self, node: Node, name: str, value: Any) -> None:
        node.SetParameter(name, self._format(value))


class NodeKind(Kind):
    """MRML nodes, stored as references."""

    def __init__(self, value_type: type) -> None:
        self.value_type = value_type

    def check(self, value: Any) -> None:
        if value is not None and not isinstance(value, self.value_type):
            raise TypeError(f"Value must be a {self.value_type.__name__} or None, was {value!r}")

    def is_stored(self, node: Node, name: str) -> bool:
        return True

    def read(self, node: Node, name: str) -> Any:
        return node.GetNodeReference(name)

    def write(self, node: Node, name: str, value: Any) -> None:
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)


class NothingKind(Kind):
    """None."""

    def check(self, value: Any) -> None:
        if value is not None:
            raise TypeError(f"Value must be None, was {value!r}")

    def read(self, node: Node, name: str) -> Any:
        return None

    def write(self, node: Node, name: str, value: Any) -> None:
        node.SetParameter(name, "None")


class UnionKind(Kind):
    """One of several types; which one is stored beside the value."""

    def __init__(self, kinds: list[Kind]) -> None:
        self.kinds = kinds

    def initial(self) -> Any:
        return None if any(isinstance(kind, NothingKind) for kind in self.kinds) else self.kinds[0].initial()

    def check(self, value: Any) -> None:
        self._index(value)

    def is_stored(self, node: Node, name: str) -> bool:
        return f"{name}.type" in node.GetParameterNames()

    def read(self, node: Node, name: str) -> Any:
        return self.kinds[int(node.GetParameter(f"{name}.type"))].read(node, name)

    def write(self, node: Node, name: str, value: Any) -> None:
        index = self._index(value)
        self.kinds[index].write(node, name, value)
        node.SetParameter(f"{name}.type", str(index))

    def _index(self, value: Any) -> int:
        for index, kind in enumerate(self.kinds):
            try:
                kind.check(value)
            except (TypeError, ValueError):
                continue
            if value is not None or isinstance(kind, (NothingKind, NodeKind)):
                return index
        raise TypeError(f"Value has none of the types of the union, was {value!r}")


class ListKind(Kind):
    """Lists; the length is stored under the name, the elements below it."""

    def __init__(self, element: Kind) -> None:
        self.element = element

    def initial(self) -> Any:
        return []

    def check(self, value: Any) -> None:
        if not isinstance(value, list):
            raise TypeError(f"Value must be a list, was {value!r}")
        for each in value:
            self.element.check(each)

    def read(self, node: Node, name: str) -> Any:
        length = int(node.GetParameter(name))
        elements = (self.element.read(node, f"{name}.{index}") for index in range(length))
        return StoredList(elements, lambda changed: self.write(node, name, changed), self.check)

    def write(self, node: Node, name: str, value: Any) -> None:
        values = list(value)  # Elements that are views of the node are read before they are overwritten.
        for index, each in enumerate(values):
            self.element.write(node, f"{name}.{index}", each)
        node.SetParameter(name, str(len(values)))


class StoredList(list):
    """A list that stores every change of itself."""

    def __init__(self, values: Iterable[Any], store: Callable[[list], None], check: Callable[[list], None]) -> None:
        super().__init__(values)
        self._store, self._check = store, check


def _storing(name: str) -> Callable[..., Any]:
    change = getattr(list, name)

    def changed(self: StoredList, *arguments: Any, **keywords: Any) -> Any:
        copy = list(self)
        change(copy, *arguments, **keywords)
        self._check(copy)
        result = change(self, *arguments, **keywords)
        self._store(self)
        return result

    return changed


for _name in ("append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse"):
    setattr(StoredList, _name, _storing(_name))
for _name in ("__setitem__", "__delitem__", "__iadd__", "__imul__"):
    setattr(StoredList, _name, _storing(_name))


class TupleKind(Kind):
    """Tuples with a type for each element."""

    def __init__(self, elements: list[Kind]) -> None:
        self.elements = elements

    def initial(self) -> Any:
        return tuple(element.initial() for element in self.elements)

    def check(self, value: Any) -> None:
        if not isinstance(value, tuple) or len(value) != len(self.elements):
            raise TypeError(f"Value must be a tuple of {len(self.elements)} elements, was {value!r}")
        for element, each in zip(self.elements, value, strict=True):
            element.check(each)

    def read(self, node: Node, name: str) -> Any:
        return tuple(element.read(node, f"{name}.{index}") for index, element in enumerate(self.elements))

    def write(self, node: Node, name: str, value: Any) -> None:
        for index, (element, each) in enumerate(zip(self.elements, value, strict=True)):
            element.write(node, f"{name}.{index}", each)
        node.SetParameter(name, str(len(self.elements)))


class DictKind(Kind):
    """Dictionaries, stored as a list of keys and a list of values."""

    def __init__(self, key: Kind, value: Kind) -> None:
        self.keys, self.values = ListKind(key), ListKind(value)

    def initial(self) -> Any:
        return {}

    def check(self, value: Any) -> None:
        if not isinstance(value, dict):
            raise TypeError(f"Value must be a dictionary, was {value!r}")
        self.keys.check(list(value))
        self.values.check(list(value.values()))

    def read(self, node: Node, name: str) -> Any:
        keys, values = self.keys.read(node, f"{name}.keys"), self.values.read(node, f"{name}.values")
        return dict(zip(keys, values, strict=True))

    def write(self, node: Node, name: str, value: Any) -> None:
        self.keys.write(node, f"{name}.keys", value)
        self.values.write(node, f"{name}.values", value.values())
        node.SetParameter(name, str(len(value)))


class AnyKind(Kind):
    """Any storable type; which one is found out from the value and stored beside it."""

    TYPES: typing.ClassVar[dict[str, type]] = {"bool": bool, "int": int, "float": float, "str": str}

    def check(self, value: Any) -> None:
        if value is not None and type(value) not in self.TYPES.values() and not isinstance(value, slicer.vtkMRMLNode):
            raise TypeError(f"Value cannot be stored: {value!r}")

    def read(self, node: Node, name: str) -> Any:
        stored = node.GetParameter(name)
        if stored == "node":
            return node.GetNodeReference(name)
        return None if stored == "None" else kind_of(self.TYPES[stored]).read(node, f"{name}.value")

    def write(self, node: Node, name: str, value: Any) -> None:
        if isinstance(value, slicer.vtkMRMLNode):
            node.SetNodeReferenceID(name, value.GetID())
            node.SetParameter(name, "node")
        elif value is None:
            node.SetParameter(name, "None")
        else:
            kind_of(type(value)).write(node, f"{name}.value", value)
            node.SetParameter(name, type(value).__name__)


_TEXTS: dict[type, tuple[Callable[[str], Any], Any]] = {
    int: (int, 0),
    float: (float, 0.0),
    str: (str, ""),
    bool: (lambda text: text == "True", False),
}
_PATHS = (
    *(pathlib.PurePath, pathlib.PurePosixPath, pathlib.PureWindowsPath),
    *(pathlib.Path, pathlib.PosixPath, pathlib.WindowsPath),
)
_packs: list[Callable[[Any], Kind | None]] = []
"""Functions that return the kind of a type defined elsewhere, or None."""


def add_kind(find: Callable[[Any], Kind | None]) -> None:
    """Add a function that returns the kind of a type, or None."""
    _packs.append(find)


def kind_of(annotation: Any) -> Kind:
    """Return how values of a type are stored.

    Raises:
        TypeError: If values of the type cannot be stored.
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in _TEXTS:
        return Text(annotation, *_TEXTS[annotation])
    if annotation in _PATHS:
        return Text(annotation, annotation, None if annotation is pathlib.WindowsPath else annotation())
    if annotation is typing.Any:
        return AnyKind()
    if annotation in (None, type(None)):
        return NothingKind()
    if origin in (typing.Union, types.UnionType):
        return UnionKind([kind_of(argument) for argument in arguments])
    if annotation is list or origin is list:
        return ListKind(kind_of(arguments[0] if arguments else typing.Any))
    if origin is tuple:
        return TupleKind([kind_of(argument) for argument in arguments])
    if annotation is dict or origin is dict:
        return DictKind(*(kind_of(argument) for argument in arguments or (typing.Any, typing.Any)))
    if isinstance(annotation, type) and issubclass(annotation, slicer.vtkMRMLNode):
        return NodeKind(annotation)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return Text(annotation, lambda name: annotation[name], next(iter(annotation)), lambda value: value.name)
    if annotation is FloatRange:
        return Text(FloatRange, _parse_range, FloatRange(0.0, 0.0), lambda value: f"{value.minimum},{value.maximum}")
    for find in _packs:
        kind = find(annotation)
        if kind is not None:
            return kind
    raise TypeError(f"No serializer for {annotation!r}")


def _parse_range(text: str) -> FloatRange:
    return FloatRange(*map(float, text.split(",")))
