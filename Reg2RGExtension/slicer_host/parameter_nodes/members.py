"""The members of wrapped classes, and packs: classes of members that are members themselves."""

from __future__ import annotations

import copy
import logging
import typing
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from slicer_host.parameter_nodes.kinds import Kind, add_kind, kind_of
from slicer_host.parameter_nodes.validators import Decimals, Default, Label, SingleStep, Validator

if TYPE_CHECKING:
    from slicer import vtkMRMLScriptedModuleNode as Node

Wrapped = TypeVar("Wrapped", bound=type)
_DISPLAY = (Decimals, SingleStep, Label)
_PACK = "_is_parameter_pack"


class Member:
    """A descriptor that reads and writes one member of its owner, a wrapper or a pack."""

    def __init__(self, name: str, annotation: Any, assigned: Any) -> None:
        self.name = name
        extras: Sequence[Any] = ()
        if typing.get_origin(annotation) is typing.Annotated:
            annotation, *extras = typing.get_args(annotation)
        self.value_type = annotation
        self.kind = kind_of(annotation)
        self.validators = [extra for extra in extras if isinstance(extra, Validator)]
        self.display = [extra for extra in extras if isinstance(extra, _DISPLAY)]
        defaults = [extra for extra in extras if isinstance(extra, Default)]
        unused = [extra for extra in extras if not isinstance(extra, (Validator, Default, *_DISPLAY))]
        if unused:
            logging.warning("Unused annotations: %s", unused)
        if assigned is not None:
            defaults = [Default(assigned)]
        self._default = defaults[0] if defaults else Default(generator=self.kind.initial)
        if defaults:
            self.check(self._default.value)

    @property
    def default(self) -> Any:
        """The value that has not been set, a new one each time."""
        return copy.deepcopy(self._default.value)

    def check(self, value: Any) -> None:
        """Raise TypeError or ValueError if a value is not allowed."""
        self.kind.check(value)
        for validator in self.validators:
            validator.validate(value)

    def __get__(self, owner: Any, owner_type: type | None = None) -> Any:
        if owner is None:
            return self
        return owner._read(self)

    def __set__(self, owner: Any, value: Any) -> None:
        self.check(value)
        owner._write(self, value)


def make_members(wrapped: type) -> dict[str, Member]:
    """Turn the annotated members of a class into descriptors, and return them by name."""
    hints = typing.get_type_hints(wrapped, include_extras=True)
    members = {name: Member(name, hint, getattr(wrapped, name, None)) for name, hint in hints.items()}
    for name, member in members.items():
        setattr(wrapped, name, member)
    return members


class _Pack:
    """The methods that a pack receives. A pack is a value of its own, or a view of what a node stores."""

    allParameters: dict[str, Member]
    _node: Node | None = None
    _prefix = ""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        for name, value in {**dict(zip(self.allParameters, arguments, strict=False)), **keywords}.items():
            if name not in self.allParameters:
                raise TypeError(f"{type(self).__name__} has no member {name!r}")
            setattr(self, name, value)

    def _read(self, member: Member) -> Any:
        if self._node is None:
            return vars(self).setdefault(member.name, member.default)
        name = self._prefix + member.name
        return member.kind.read(self._node, name) if member.kind.is_stored(self._node, name) else member.default

    def _write(self, member: Member, value: Any) -> None:
        if self._node is None:
            vars(self)[member.name] = value
        else:
            member.kind.write(self._node, self._prefix + member.name, value)

    def getValue(self, name: str) -> Any:
        return get_value(self, name)

    def setValue(self, name: str, value: Any) -> None:
        set_value(self, name, value)

    def dataType(self, name: str) -> Any:
        return find_member(self, name)[1].value_type

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and all(getattr(self, n) == getattr(other, n) for n in self.allParameters)

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.allParameters)
        return f"{type(self).__name__}({values})"

    def __deepcopy__(self, memo: dict) -> Any:
        return type(self)(**{name: copy.deepcopy(getattr(self, name)) for name in self.allParameters})


class _PackKind(Kind):
    """Packs; each member is stored below the name of the pack."""

    def __init__(self, pack: Any) -> None:
        self._pack = pack

    def initial(self) -> Any:
        return self._pack()

    def check(self, value: Any) -> None:
        if not isinstance(value, self._pack):
            raise TypeError(f"Value must be a {self._pack.__name__}, was {value!r}")

    def read(self, node: Node, name: str) -> Any:
        view = self._pack.__new__(self._pack)
        view._node, view._prefix = node, f"{name}."
        return view

    def write(self, node: Node, name: str, value: Any) -> None:
        values = [(member, copy.deepcopy(getattr(value, member.name))) for member in self._pack.allParameters.values()]
        for member, each in values:
            member.kind.write(node, f"{name}.{member.name}", each)
        node.SetParameter(name, self._pack.__name__)


def parameterPack(wrapped: Wrapped) -> Wrapped:
    """Turn the annotated members of a class into members of a pack; a class decorator."""
    setattr(wrapped, "allParameters", make_members(wrapped))  # noqa: B010 - not an attribute that mypy knows
    given = {"_node": None, "_prefix": "", _PACK: True}
    for name, member in {**vars(_Pack), **given}.items():
        is_own = name == "__init__" and name in vars(wrapped)  # that of a dataclass, for example
        if (callable(member) or name in given) and not is_own:
            setattr(wrapped, name, member)
    return wrapped


def isParameterPack(pack: Any) -> bool:
    """Return whether a class or object is a pack."""
    return getattr(pack, _PACK, False)


def find_member(owner: Any, name: str) -> tuple[Any, Member]:
    """Return the owner of a member and the member. Members of packs are named like "box.corner.x"."""
    first, _, rest = name.partition(".")
    if first not in owner.allParameters:
        raise ValueError(f"There is no parameter {name!r}; expected one of: {', '.join(owner.allParameters)}")
    return find_member(getattr(owner, first), rest) if rest else (owner, owner.allParameters[first])


def get_value(owner: Any, name: str) -> Any:
    """Return the value of a member."""
    owner, member = find_member(owner, name)
    return member.__get__(owner)


def set_value(owner: Any, name: str, value: Any) -> None:
    """Set the value of a member."""
    owner, member = find_member(owner, name)
    member.__set__(owner, value)


add_kind(lambda annotation: _PackKind(annotation) if isParameterPack(annotation) else None)
