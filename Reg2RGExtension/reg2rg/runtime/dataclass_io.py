"""Convert dataclasses to and from the plain types of JSON and YAML.

Requests, events, reports and configurations share this reader. It follows the type hints of the dataclass, so a new
field has to be defined only once. It needs only the standard library, because Slicer imports it before anything else is
installed.

Supported field types are nested dataclasses, ``bool``, ``int``, ``float``, ``str``, ``Path``, ``Any``, enums,
``Literal``, ``tuple``, ``Mapping`` or ``dict`` with string keys, unions with ``None``, and unions of dataclasses that
are distinguished by a ``Literal`` field named ``kind``. ``Annotated`` types may carry a Constraint.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
import reprlib
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from reg2rg.errors import InputError

T = TypeVar("T")

NOT_STORED = types.MappingProxyType({"stored": False})
"""Metadata of a dataclass field that is neither written nor read: ``field(metadata=NOT_STORED)``."""

_DESCRIPTIONS: dict[Any, str] = {
    bool: "true or false",
    int: "an integer",
    float: "a finite number",
    str: "a string",
    Path: "a path",
}


@dataclass(frozen=True)
class Constraint:
    """Restriction of a field's values, used as ``Annotated[int, Constraint("1 or more", lambda n: n >= 1)]``.

    Attributes:
        description: what is expected, worded to follow "expected" in an error message.
        holds: function that returns whether a value of the right type is valid.
    """

    description: str
    holds: Callable[[Any], bool]


MAX_SEED = 2**32 - 1
"""Largest random seed that numpy and torch accept."""

Seed = Annotated[int, Constraint(f"a number from 0 to {MAX_SEED}", lambda seed: 0 <= seed <= MAX_SEED)]


def _is_time(text: str) -> bool:
    try:
        return datetime.datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


Time = Annotated[str, Constraint("a time in ISO 8601 format with its offset from UTC", _is_time)]


def to_plain(value: Any) -> Any:
    """Convert a dataclass, and whatever it contains, to plain types.

    Properties that a dataclass lists in its class variable ``derived`` are included for readers that only have the
    JSON. ``from_plain`` checks them against the other fields.

    Args:
        value: a dataclass instance, a container, an enum member, a path or a plain value.

    Returns:
        Dictionaries, lists, strings, numbers, booleans and None.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = _stored_fields(type(value))
        return {name: to_plain(getattr(value, name)) for name in (*names, *_derived(type(value)))}
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Path) else value


def from_plain(cls: type[T], values: Any, name: str) -> T:
    """Build a dataclass from plain types, and check every field.

    Args:
        cls: the dataclass.
        values: mapping of field names to plain values. Fields that are left out take their defaults.
        name: what the values are, such as ``"config"``; error messages begin with it.

    Returns:
        An instance of ``cls``.

    Raises:
        InputError: a field is unknown, missing, or has a value of the wrong type.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"{name} is {shorten(values)}; expected named fields.")
    fields = _stored_fields(cls)
    derived = _derived(cls)
    unknown = sorted(shorten(key) for key in set(values) - fields.keys() - set(derived))
    if unknown:
        raise InputError(f"{name} has unknown fields: {', '.join(unknown[:3])}; expected some of: {', '.join(fields)}.")
    missing = [field.name for field in fields.values() if field.name not in values and _is_required(field)]
    if missing:
        raise InputError(f"{name} lacks required fields: {', '.join(missing)}.")
    hints = _hints(cls)  # type: ignore[arg-type]  # classes are hashable, but mypy does not know this
    instance = cls(**{key: _read(hints[key], values[key], f"{name}.{key}") for key in fields if key in values})
    for key in derived:
        if key in values and values[key] != to_plain(getattr(instance, key)):
            raise InputError(f"{name}.{key} is {shorten(values[key])}, which contradicts the other fields.")
    return instance


def parse_json(text: str, name: str) -> Any:
    """Parse JSON text.

    Args:
        text: the JSON text.
        name: what the text is; error messages begin with it.

    Returns:
        The parsed value.

    Raises:
        InputError: the text is not valid JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} is not valid JSON ({error}).") from error


def shorten(value: Any) -> str:
    """Shorten a value for an error message, so that it takes one line and reveals little of a report's text."""
    return f"a {type(value).__name__}" if isinstance(value, (dict, list)) else reprlib.repr(value)


def _stored_fields(cls: Any) -> dict[str, dataclasses.Field[Any]]:
    return {field.name: field for field in dataclasses.fields(cls) if field.metadata.get("stored", True)}


def _derived(cls: type) -> tuple[str, ...]:
    return getattr(cls, "derived", ())


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls, include_extras=True)


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _read(kind: Any, value: Any, name: str) -> Any:
    """Return ``value`` as an instance of the type ``kind``."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _read_annotated(arguments, value, name)
    if origin in (Union, types.UnionType):
        return _read_union(arguments, value, name)
    if origin is Literal:
        if isinstance(value, bool) or value not in arguments:
            raise InputError(f"{name} is {shorten(value)}; expected one of: {', '.join(map(str, arguments))}.")
        return value
    if origin is tuple:
        return _read_tuple(arguments, value, name)
    if origin in (dict, Mapping):
        if not isinstance(value, Mapping):
            raise InputError(f"{name} is {shorten(value)}; expected named values.")
        return {str(key): _read(arguments[1], item, f"{name}.{key}") for key, item in value.items()}
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return from_plain(kind, value, name)
    if isinstance(kind, type) and issubclass(kind, Enum):
        choices = [member.value for member in kind]
        if value not in choices:
            raise InputError(f"{name} is {shorten(value)}; expected one of: {', '.join(map(str, choices))}.")
        return kind(value)
    return _read_scalar(kind, value, name)


def _read_annotated(arguments: tuple[Any, ...], value: Any, name: str) -> Any:
    kind, *metadata = arguments
    result = _read(kind, value, name)
    for constraint in metadata:
        if isinstance(constraint, Constraint) and not constraint.holds(result):
            raise InputError(f"{name} is {shorten(value)}; expected {constraint.description}.")
    return result


def _read_union(kinds: tuple[Any, ...], value: Any, name: str) -> Any:
    """Read an optional value, or one of several dataclasses that differ by their field ``kind``."""
    if value is None and type(None) in kinds:
        return None
    kinds = tuple(kind for kind in kinds if kind is not type(None))
    if len(kinds) == 1:
        return _read(kinds[0], value, name)
    by_kind = {get_args(_hints(cls)["kind"])[0]: cls for cls in kinds}
    given = value.get("kind") if isinstance(value, Mapping) else None
    if given not in by_kind:
        raise InputError(f"{name}.kind is {shorten(given)}; expected one of: {', '.join(by_kind)}.")
    return from_plain(by_kind[given], value, name)


def _read_tuple(kinds: tuple[Any, ...], value: Any, name: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise InputError(f"{name} is {shorten(value)}; expected a list.")
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise InputError(f"{name} has {len(value)} values; expected {len(kinds)}.")
    return tuple(_read(kind, item, f"{name}[{i}]") for i, (kind, item) in enumerate(zip(kinds, value, strict=True)))


def _read_scalar(kind: Any, value: Any, name: str) -> Any:
    if kind is Any:
        return value
    if kind is float and type(value) in (int, float) and abs(value) <= sys.float_info.max:  # excludes NaN and infinity
        return float(value)
    if kind is Path and isinstance(value, (str, Path)) and str(value):
        return Path(value)
    if kind is not float and type(value) is kind:  # not isinstance: True is not a valid integer
        return value
    raise InputError(f"{name} is {shorten(value)}; expected {_DESCRIPTIONS.get(kind, kind.__name__)}.")
