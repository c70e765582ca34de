"""Model folders on this machine. Standard library only: the Slicer module lists models before torch is installed."""

from __future__ import annotations

import os
from pathlib import Path

from reg2rg.errors import InputError
from reg2rg.runtime.resources import resources_folder

DEFAULT_MODEL = "phantom"
"""Name of the embedded model."""


def user_models_folder() -> Path:
    """Return the folder of the user's models: $REG2RG_MODELS if set, otherwise ``~/.reg2rg/models``."""
    configured = os.environ.get("REG2RG_MODELS")
    return Path(configured).expanduser().absolute() if configured else Path.home() / ".reg2rg" / "models"


def list_models() -> list[Path]:
    """List the model folders that come with the installation, followed by the user's models."""
    places = (resources_folder() / "Models", user_models_folder())
    return [path.parent for place in places for path in sorted(place.glob("*/config.json"))]


def new_model_folder(name: str) -> Path:
    """Return the folder for a new user model.

    Args:
        name: name of the model.

    Returns:
        The folder, which does not contain a model yet.

    Raises:
        InputError: the name is invalid, or a model with this name already exists.
    """
    if not name or Path(name).name != name or name.startswith("."):
        raise InputError(f"{name!r} is not a valid model name; expected one word without slashes.")
    existing = next((folder for folder in list_models() if folder.name == name), None)
    if existing is not None:
        raise InputError(f"Model {name!r} already exists in {existing}; choose another name or remove it first.")
    return user_models_folder() / name


def find_model(name_or_folder: str | Path | None = None) -> Path:
    """Return the folder of a model.

    Args:
        name_or_folder: name of an installed model, or path of a model folder; None stands for the embedded model.

    Returns:
        The model folder. If an installed model and a folder have the same name, the installed model is used.

    Raises:
        InputError: there is no such model.
    """
    wanted = str(name_or_folder or DEFAULT_MODEL)
    installed = {folder.name: folder for folder in reversed(list_models())}  # the first folder with a given name wins
    if wanted in installed:
        return installed[wanted]
    folder = Path(wanted).expanduser()
    if (folder / "config.json").is_file():
        return folder
    raise InputError(
        f"Unknown model {wanted!r}; expected an installed model ({', '.join(installed) or 'there are none'}) or a "
        "folder with a config.json."
    )
