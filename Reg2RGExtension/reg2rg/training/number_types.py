"""The constrained number types of a training configuration's fields."""

from __future__ import annotations

from typing import Annotated

from reg2rg.runtime.dataclass_io import Constraint

PositiveInt = Annotated[int, Constraint("an integer of 1 or more", lambda value: value >= 1)]
NonNegativeInt = Annotated[int, Constraint("an integer of 0 or more", lambda value: value >= 0)]
PositiveFloat = Annotated[float, Constraint("a number greater than 0", lambda value: value > 0)]
NonNegativeFloat = Annotated[float, Constraint("a number of 0 or more", lambda value: value >= 0)]
Fraction = Annotated[float, Constraint("a number between 0 and 1, exclusive", lambda value: 0 < value < 1)]
