"""Values of a YAML file to dataclasses, every field checked: what is wrong is said in words, with the field's name."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from reg2rg.errors import InputError

T = TypeVar("T")


@dataclass(frozen=True)
class Rule:
    """What else a value must be: ``words`` say it, ``holds`` tests it."""

    words: str
    holds: Callable[[Any], bool]


Count = Annotated[int, Rule("a whole number of at least 1", lambda value: value >= 1)]
NotNegative = Annotated[int, Rule("a whole number of at least 0", lambda value: value >= 0)]
Positive = Annotated[float, Rule("a number above 0", lambda value: value > 0)]
NotNegativeNumber = Annotated[float, Rule("a number of at least 0", lambda value: value >= 0)]
Fraction = Annotated[float, Rule("a number between 0 and 1", lambda value: 0 < value < 1)]

_WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", Path: "a path"}


def read_yaml(path: Path) -> Any:
    """What a YAML file says, plain values only; InputError if it cannot be read."""
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected a training config (Resources/Training holds some).") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} is not readable as YAML ({' '.join(str(error).split())}).") from error


def build(cls: type[T], values: Any, where: str) -> T:
    """A dataclass from the fields of a mapping; ``where`` names the mapping in messages.

    Raises:
        InputError: a field is unknown, missing, or not what the dataclass says it is.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}
    if not isinstance(values, Mapping):
        raise InputError(f"{where} is {values!r}; expected fields: {', '.join(fields)}.")
    if unknown := [str(name) for name in values if name not in fields]:
        raise InputError(f"{where} has unknown fields: {', '.join(unknown)}; expected {', '.join(fields)}.")
    needed = [name for name, field in fields.items() if name not in values and _has_no_default(field)]
    if needed:
        raise InputError(f"{where} lacks {', '.join(needed)}.")
    hints = get_type_hints(cls, include_extras=True)
    return cls(**{name: _value(hints[name], value, f"{where}.{name}") for name, value in values.items()})


def _has_no_default(field: dataclasses.Field) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _value(kind: Any, value: Any, where: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        rule: Rule = arguments[1]
        value = _value(arguments[0], value, where)
        if not rule.holds(value):
            raise InputError(f"{where} is {value!r}; expected {rule.words}.")
        return value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _one_of([argument for argument in arguments if argument is not type(None)], value, where)
    if origin is Literal:
        if value not in arguments or isinstance(value, bool):
            raise InputError(f"{where} is {value!r}; expected one of {', '.join(map(str, arguments))}.")
        return value
    if origin is tuple:
        return _tuple(arguments, value, where)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise InputError(f"{where} is {value!r}; expected named values.")
        return {str(name): _value(arguments[1], item, f"{where}.{name}") for name, item in value.items()}
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind):
        return build(kind, value, where)
    return _plain(kind, value, where)


def _one_of(kinds: list[Any], value: Any, where: str) -> Any:
    """A value of the one kind there is or, of several dataclasses, of that which its field ``kind`` names."""
    if len(kinds) == 1:
        return _value(kinds[0], value, where)
    named = {get_args(get_type_hints(cls)["kind"])[0]: cls for cls in kinds}
    given = value.get("kind") if isinstance(value, Mapping) else None
    if given not in named:
        raise InputError(f"{where}.kind is {given!r}; expected one of {', '.join(named)}.")
    return build(named[given], value, where)


def _tuple(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise InputError(f"{where} is {value!r}; expected a list.")
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise InputError(f"{where} is {list(value)!r}; expected {len(kinds)} values.")
    return tuple(_value(kind, item, f"{where}[{i}]") for i, (kind, item) in enumerate(zip(kinds, value, strict=True)))


def _plain(kind: type, value: Any, where: str) -> Any:
    wrong = InputError(f"{where} is {value!r}; expected {_WORDS[kind]}.")
    if kind is float and isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return float(value)  # YAML takes 1e-3, without a point, for a text
        except ValueError:
            raise wrong from None
    if kind is Path and isinstance(value, str) and value:
        return Path(value).expanduser()
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise wrong
