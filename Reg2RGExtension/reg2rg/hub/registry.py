"""Models: where their folders are. The classes live in the modules of this package, which import torch."""

from __future__ import annotations

import os
from pathlib import Path

from reg2rg.errors import InputError
from reg2rg.runtime.resources import resources_folder

DEFAULT_MODEL = "phantom"


def user_models() -> Path:
    """Where imported and added models go: the folder that REG2RG_MODELS names, else ``~/.reg2rg/models``."""
    named = os.environ.get("REG2RG_MODELS")
    return Path(named).expanduser().absolute() if named else Path.home() / ".reg2rg" / "models"


def list_models() -> list[Path]:
    """Model folders that come with the installation, then the user's own."""
    places = (resources_folder() / "Models", user_models())
    return [path.parent for place in places for path in sorted(place.glob("*/config.json"))]


def place_for(name: str) -> Path:
    """The folder that a new model of the user's goes to; InputError if the name cannot be used or is taken."""
    if not name or Path(name).name != name or name.startswith("."):
        raise InputError(f"{name!r} is no name for a model; expected one word without slashes.")
    taken = next((folder for folder in list_models() if folder.name == name), None)
    if taken is not None:
        raise InputError(f"There is a model {name!r} already, in {taken}; choose another name or remove it first.")
    return user_models() / name


def find_model(name_or_folder: str | Path | None = None) -> Path:
    """The folder of a model given by name or by path; the embedded one if nothing is given."""
    wanted = str(name_or_folder or DEFAULT_MODEL)
    known = {folder.name: folder for folder in reversed(list_models())}  # of one name, the installation's
    if wanted in known:
        return known[wanted]
    folder = Path(wanted).expanduser()
    if (folder / "config.json").is_file():
        return folder
    raise InputError(
        f"No model {wanted!r}: neither an installed model ({', '.join(known) or 'none'}) "
        "nor a folder with a config.json."
    )
