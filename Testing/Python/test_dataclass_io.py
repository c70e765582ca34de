"""Dataclasses are read from plain types by their type hints, and every wrong value is named."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest

from reg2rg.errors import InputError
from reg2rg.runtime.dataclass_io import Constraint, from_plain, parse_json, to_plain


class Color(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Square:
    derived: ClassVar[tuple[str, ...]] = ("area",)

    kind: Literal["square"]
    side: float

    @property
    def area(self) -> float:
        return self.side**2


@dataclass(frozen=True)
class Circle:
    kind: Literal["circle"]
    radius: float


@dataclass(frozen=True)
class Drawing:
    name: str
    shapes: tuple[Square | Circle, ...] = ()
    size: tuple[int, int] | None = None
    color: Color = Color.RED
    copies: Annotated[int, Constraint("1 or more", lambda n: n >= 1)] = 1
    folder: Path | None = None
    visible: bool = True
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    extra: Any = None


FULL = {
    "name": "d",
    "shapes": [{"kind": "square", "side": 2.0, "area": 4.0}, {"kind": "circle", "radius": 1.5}],
    "size": [3, 4],
    "color": "blue",
    "copies": 2,
    "folder": "a/b",
    "visible": False,
    "notes": {"top": ["x", "y"]},
    "extra": {"any": [1, None]},
}


def test_what_is_written_is_read_back():
    drawing = from_plain(Drawing, FULL, "drawing")
    assert drawing.shapes == (Square("square", 2.0), Circle("circle", 1.5))
    assert (drawing.size, drawing.color, drawing.folder) == ((3, 4), Color.BLUE, Path("a/b"))
    assert to_plain(drawing) == FULL


def test_fields_that_are_left_out_take_their_defaults():
    assert from_plain(Drawing, {"name": "d"}, "drawing") == Drawing("d")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, r"^drawing has unknown fields: 'colour'; expected some of: name, shapes"),
        ({"name": 3}, r"^drawing.name is 3; expected a string\.$"),
        ({"copies": True}, r"^drawing.copies is True; expected an integer\.$"),
        ({"copies": 0}, r"^drawing.copies is 0; expected 1 or more\.$"),
        ({"visible": 1}, r"^drawing.visible is 1; expected true or false\.$"),
        ({"color": "green"}, r"^drawing.color is 'green'; expected one of: red, blue\.$"),
        ({"size": [1]}, r"^drawing.size has 1 values; expected 2\.$"),
        ({"size": 7}, r"^drawing.size is 7; expected a list\.$"),
        ({"folder": ""}, r"^drawing.folder is ''; expected a path\.$"),
        ({"notes": {"top": "x"}}, r"^drawing.notes.top is 'x'; expected a list\.$"),
        ({"notes": []}, r"^drawing.notes is a list; expected named values\.$"),
        ({"shapes": [{"kind": "star"}]}, r"^drawing.shapes\[0\].kind is 'star'; expected one of: square, circle\.$"),
        ({"shapes": [{"kind": "circle"}]}, r"^drawing.shapes\[0\] lacks required fields: radius\.$"),
        ({"shapes": [{"kind": "circle", "radius": math.nan}]}, r"radius is nan; expected a finite number\.$"),
        ({"shapes": [{"kind": "circle", "radius": 10**400}]}, r"expected a finite number\.$"),
        ({"shapes": [{"kind": "square", "side": 2, "area": 5}]}, r"area is 5, which contradicts the other fields\.$"),
    ],
)
def test_a_wrong_value_is_named(change: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        from_plain(Drawing, {**FULL, **change}, "drawing")


@pytest.mark.parametrize("values", [None, [], "text", 3])
def test_values_without_field_names_are_refused(values: Any):
    with pytest.raises(InputError, match="expected named fields"):
        from_plain(Drawing, values, "drawing")


def test_an_error_shows_little_of_a_long_text():
    with pytest.raises(InputError) as error:
        from_plain(Drawing, {"name": "d", "size": "patient " * 100}, "drawing")
    assert len(str(error.value)) < 100


def test_invalid_json_is_refused():
    with pytest.raises(InputError, match="^The report is not valid JSON"):
        parse_json("{", "The report")
