"""Command-line options generated from the fields of a request, so that each option is defined only once."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import typer

from reg2rg.pipeline.request import ReportRequest, VolumeRequest, request_options
from reg2rg.regions import Corrections

Request = TypeVar("Request", bound=VolumeRequest)


def request_command(cls: type[Request], run: Callable[[Request], None]) -> Callable[..., None]:
    """Return a typer command whose options are the fields of a request.

    Args:
        cls: the request class.
        run: called with the request; its docstring becomes the command's help.
    """
    hints = get_type_hints(cls)

    def command(**values: Any) -> None:
        given = {name: _convert(hints[name], name, value) for name, value in values.items() if value is not None}
        run(cls(**given))

    return _with_parameters(command, run.__doc__, _parameters(cls))


def with_request_options(
    cls: type[VolumeRequest], run: Callable[..., None], leave_out: Collection[str]
) -> Callable[..., None]:
    """Return a typer command that has parameters of its own and, as options, fields of a request.

    Args:
        cls: the request class.
        run: called with its own parameters, and with the fields that differ from their defaults as ``options``.
        leave_out: fields that are not options.
    """
    hints, options = get_type_hints(cls), _parameters(cls, leave_out)
    defaults = {field.name: field.default for field in dataclasses.fields(cls)}

    def command(**values: Any) -> None:
        given = {option.name: values.pop(option.name) for option in options}
        given = {name: _convert(hints[name], name, value) for name, value in given.items() if value is not None}
        run(**values, options={name: value for name, value in given.items() if value != defaults[name]})

    own = [each for each in inspect.signature(run, eval_str=True).parameters.values() if each.name != "options"]
    return _with_parameters(command, run.__doc__, [*own, *options])


def _parameters(cls: type[VolumeRequest], leave_out: Collection[str] = ()) -> list[inspect.Parameter]:
    """Return the command's parameters for the fields of a request."""
    hints, described = get_type_hints(cls), request_options(cls)
    shown = [field for field in dataclasses.fields(cls) if field.name not in leave_out]
    return [_parameter(field, hints[field.name], described[field.name]) for field in shown]


def _with_parameters(
    command: Callable[..., None], description: str | None, parameters: list[inspect.Parameter]
) -> Callable[..., None]:
    """Return the command with the help and the parameters from which typer makes its options."""
    command.__doc__ = description
    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    signature = inspect.Signature(sorted(parameters, key=_has_default))
    command.__signature__ = signature  # type: ignore[attr-defined]  # typeshed's functions lack this attribute
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def _parameter(field: dataclasses.Field[Any], kind: Any, option: Any) -> inspect.Parameter:
    """Return the command's parameter for one field."""
    if field.name == "volume":
        annotation = Annotated[Path, typer.Argument(metavar=option.metavar, help=option.help)]
        return inspect.Parameter(field.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation)
    flags = option.flags or (f"--{field.name.replace('_', '-')}",)
    info = typer.Option(*flags, help=option.help, metavar=option.metavar)
    default: Any = field.default
    if default is dataclasses.MISSING:
        default = inspect.Parameter.empty if field.default_factory is dataclasses.MISSING else None
    if kind is bool:
        default = False  # the flag inverts the default
    if get_origin(kind) in (tuple, Mapping):
        kind, default = list[str] | None, None
    return inspect.Parameter(
        field.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=Annotated[kind, info]
    )


def _has_default(parameter: inspect.Parameter) -> bool:
    return parameter.default is not inspect.Parameter.empty


def _convert(kind: Any, name: str, value: Any) -> Any:
    """Convert a value from the command line to the value of a field."""
    if kind is bool:
        defaults = {field.name: field.default for field in dataclasses.fields(ReportRequest)}
        return value != defaults[name]
    if get_origin(kind) is tuple:
        return tuple(value)
    if kind == Corrections:
        return _parse_corrections(value)
    if get_origin(kind) is Mapping and get_args(kind) == (str, str):
        return _parse_mapping(value)
    return value


def _parse_mapping(pairs: list[str]) -> dict[str, str]:
    for pair in pairs:
        if "=" not in pair:
            raise typer.BadParameter(f"{pair!r} is invalid; expected LABEL=REGION.", param_hint="--map")
    return dict(pair.rsplit("=", 1) for pair in pairs)


def _parse_corrections(entries: list[str]) -> dict[str, dict[str, bool]]:
    corrections: dict[str, dict[str, bool]] = {}
    for entry in entries:
        match = re.fullmatch(r"\s*([^:]+?)\s*:\s*([^=]+?)\s*=\s*(yes|no)\s*", entry)
        if match is None:
            raise typer.BadParameter(f"{entry!r} is invalid; expected REGION:FINDING=yes|no.", param_hint="--correct")
        region, label, answer = match.groups()
        corrections.setdefault(region, {})[label] = answer == "yes"
    return corrections
