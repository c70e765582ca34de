"""The reader of YAML files of plain values."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from reg2rg.errors import InputError

_EXPONENT = re.compile(r"[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9_]+)[eE][-+]?[0-9]+$")
"""Numbers such as 1e-3 and 2.5e4: floats in YAML 1.2, but strings in YAML 1.1, which PyYAML implements."""


def read_yaml(path: Path, expected: str) -> Any:
    """Read a YAML file of plain values.

    Args:
        path: the file.
        expected: what the file should be, for the message if it does not exist.

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
        raise InputError(f"{path} does not exist; expected {expected}.") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} is not readable as YAML ({' '.join(str(error).split())}).") from error
