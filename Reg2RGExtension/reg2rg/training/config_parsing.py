"""YAML reader for training configurations, and the constrained number types of their fields."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from reg2rg.errors import InputError
from reg2rg.runtime.dataclass_io import Constraint

PositiveInt = Annotated[int, Constraint("an integer of 1 or more", lambda value: value >= 1)]
NonNegativeInt = Annotated[int, Constraint("an integer of 0 or more", lambda value: value >= 0)]
PositiveFloat = Annotated[float, Constraint("a number greater than 0", lambda value: value > 0)]
NonNegativeFloat = Annotated[float, Constraint("a number of 0 or more", lambda value: value >= 0)]
Fraction = Annotated[float, Constraint("a number between 0 and 1, exclusive", lambda value: 0 < value < 1)]

_EXPONENT = re.compile(r"[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9_]+)[eE][-+]?[0-9]+$")
"""Numbers such as 1e-3 and 2.5e4: floats in YAML 1.2, but strings in YAML 1.1, which PyYAML implements."""


def read_yaml(path: Path) -> Any:
    """Read a YAML file of plain values.

    Args:
        path: the file.

    Returns:
        Dictionaries, lists, strings, numbers, booleans and None.

    Raises:
        InputError: the file does not exist or is not valid YAML.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        """PyYAML's safe loader with YAML 1.2's floats."""

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+.0123456789"))
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506 (a subclass of the safe loader)
    except FileNotFoundError:
        raise InputError(
            f"{path} does not exist; expected a training configuration, or one of: smoke, phantom, ablation, published."
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} is not readable as YAML ({' '.join(str(error).split())}).") from error
