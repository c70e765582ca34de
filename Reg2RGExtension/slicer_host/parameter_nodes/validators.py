"""Annotations of members: defaults, restrictions of their values, and how widgets show them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


class Default:
    """Value of a member that has not been set, or a function that returns it."""

    def __init__(self, value: Any = None, *, generator: Callable[[], Any] | None = None) -> None:
        self._make = generator if generator is not None else lambda: value

    @property
    def value(self) -> Any:
        """The value."""
        return self._make()


class Validator:
    """Restricts the values of a member."""

    def validate(self, value: Any) -> None:
        """Raise ValueError or TypeError if a value is not allowed."""
        raise NotImplementedError


class NotNone(Validator):
    """Refuses None."""

    def validate(self, value: Any) -> None:
        """Raise ValueError for None."""
        if value is None:
            raise ValueError("Value must not be None")


class IsNone(Validator):
    """Allows None only."""

    def validate(self, value: Any) -> None:
        """Raise ValueError for anything but None."""
        if value is not None:
            raise ValueError(f"Value must be None, was {value!r}")


@dataclass(frozen=True)
class IsInstance(Validator):
    """Allows instances of a class."""

    classtype: type | tuple[type, ...]

    def validate(self, value: Any) -> None:
        """Raise TypeError for instances of other classes."""
        if value is not None and not isinstance(value, self.classtype):
            raise TypeError(f"Value must be of type {self.classtype}, was {value!r}")


@dataclass(frozen=True)
class WithinRange(Validator):
    """Allows values within a range, ends included."""

    minimum: float
    maximum: float

    def validate(self, value: float) -> None:
        """Raise ValueError for values outside."""
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within {self.minimum} and {self.maximum}, was {value}")


@dataclass(frozen=True)
class Minimum(Validator):
    """Allows values from a minimum."""

    minimum: float

    def validate(self, value: float) -> None:
        """Raise ValueError for smaller values."""
        if value < self.minimum:
            raise ValueError(f"Value must be at least {self.minimum}, was {value}")


@dataclass(frozen=True)
class Maximum(Validator):
    """Allows values up to a maximum."""

    maximum: float

    def validate(self, value: float) -> None:
        """Raise ValueError for larger values."""
        if value > self.maximum:
            raise ValueError(f"Value must be at most {self.maximum}, was {value}")


@dataclass(frozen=True)
class RangeBounds(Validator):
    """Allows ranges within bounds, ends included."""

    minimum: float
    maximum: float

    def validate(self, value: Any) -> None:
        """Raise ValueError for ranges that extend beyond."""
        if not self.minimum <= value.minimum <= value.maximum <= self.maximum:
            raise ValueError(f"Range must be within {self.minimum} and {self.maximum}, was {value}")


class Choice(Validator):
    """Allows the values of a list."""

    def __init__(self, choices: Sequence[Any]) -> None:
        self.choices = list(choices)

    def validate(self, value: Any) -> None:
        """Raise ValueError for other values."""
        if value not in self.choices:
            raise ValueError(f"Value must be one of {self.choices}, was {value!r}")


class Exclude(Validator):
    """Refuses the values of a list."""

    def __init__(self, excludedValues: Sequence[Any]) -> None:
        self.excludedValues = list(excludedValues)

    def validate(self, value: Any) -> None:
        """Raise ValueError for the values of the list."""
        if value in self.excludedValues:
            raise ValueError(f"Value must not be one of {self.excludedValues}, was {value!r}")


@dataclass(frozen=True)
class Decimals:
    """Number of decimals that a widget shows."""

    value: int


@dataclass(frozen=True)
class SingleStep:
    """Step by which a widget changes the value."""

    value: float


@dataclass(frozen=True)
class Label:
    """Text beside a widget."""

    value: str
