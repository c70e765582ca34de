"""The stored form: dataclasses to JSON's plain types and back, strictly, and what older versions stored."""

from __future__ import annotations

import dataclasses
import json
import reprlib
import sys
import types
import typing
from enum import Enum
from typing import Any

from reg2rg.errors import InputError

SCHEMA_VERSION = 4
"""2 added the precision to the provenance, 3 findings and familiarity, 4 disagreements. Scenes and folders hold older
ones, too."""


def to_plain(value: Any) -> Any:
    """A dataclass in plain types; what it names as ``derived`` is stored, too, for readers that only have the JSON."""
    if dataclasses.is_dataclass(value):
        return {name: to_plain(getattr(value, name)) for name in _stored_names(type(value))}
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    return value.value if isinstance(value, Enum) else value


def upgraded(text: str) -> tuple[dict[str, Any], Any]:
    """A stored report's values as the newest version has them, disagreements empty, and the version that was stored.

    InputError for what is no report or a newer one.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"The report is not readable as JSON ({error}).") from error
    if not isinstance(values, dict) or "schema_version" not in values:
        raise InputError("This is no report: it has no schema_version.")
    stored = values["schema_version"]
    if values["schema_version"] == 1:
        for provenance in _objects([values.get("provenance")]):
            provenance.setdefault("precision", "fp32")  # all language models were
        values["schema_version"] = 2
    if values["schema_version"] == 2:
        values.setdefault("familiarity", None)
        for section in _objects(values.get("sections")):
            for holder in (section, *_objects(section.get("sentences"))):
                holder.setdefault("findings", [])
        values["schema_version"] = 3
    if values["schema_version"] == 3:
        for section in _objects(values.get("sections")):
            section.setdefault("disagreements", [])
        values["schema_version"] = 4
    if values["schema_version"] != SCHEMA_VERSION:
        version = _shown(values["schema_version"])
        raise InputError(f"The report has schema version {version}; this program reads {SCHEMA_VERSION}.")
    return values, stored


def read(kind: Any, value: Any, where: str) -> Any:
    """``value``, from JSON, as ``kind``: a dataclass, enum, tuple, dict, optional or plain type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, value, where)
    if origin is types.UnionType:
        return None if value is None else read(arguments[0], value, where)
    if origin is tuple and isinstance(value, list) and (... in arguments or len(value) == len(arguments)):
        return tuple(read(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    if origin is dict and isinstance(value, dict):
        return {key: read(arguments[1], item, f"{where}[{_shown(key)}]") for key, item in value.items()}
    if isinstance(kind, type) and issubclass(kind, Enum) and value in [member.value for member in kind]:
        return kind(value)
    if kind is float and type(value) in (int, float) and abs(value) <= sys.float_info.max:  # neither NaN nor infinite
        return float(value)
    if kind is not float and type(value) is kind:
        return value
    raise InputError(f"{where} of the report is {_shown(value)}; expected {getattr(kind, '__name__', kind)}.")


def _read_dataclass(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise InputError(f"{where} is {_shown(value)}; expected an object.")
    expected, hints = set(_stored_names(kind)), typing.get_type_hints(kind)
    missing, unknown = sorted(expected - value.keys()), sorted(value.keys() - expected)
    if missing or unknown:
        words = [f"has no {', '.join(missing)}"] if missing else []
        words += [f"has unknown {', '.join(map(_shown, unknown[:3]))}"] if unknown else []
        raise InputError(f"{where} is not as schema version {SCHEMA_VERSION} has it: it {' and '.join(words)}.")
    names = [field.name for field in dataclasses.fields(kind)]
    made = kind(**{name: read(hints[name], value[name], f"{where}.{name}") for name in names})
    for name in expected.difference(names):
        if value[name] != getattr(made, name):
            raise InputError(f"{where}.{name} of the report is {_shown(value[name])}; the rest says otherwise.")
    return made


def _stored_names(kind: type) -> list[str]:
    return [*(field.name for field in dataclasses.fields(kind)), *getattr(kind, "derived", ())]


def _objects(values: Any) -> list[dict[str, Any]]:
    """The objects of a list; what is none is refused later, when it is read."""
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _shown(value: Any) -> str:
    """A value for an error message: one short line, which gives away no more than a few words of a report."""
    return f"a {type(value).__name__}" if isinstance(value, (dict, list)) else reprlib.repr(value)
