"""Models: where their folders are. The classes live in the modules of this package, which import torch."""

from __future__ import annotations

from pathlib import Path

from reg2rg.errors import InputError
from reg2rg.resources import resources_folder

DEFAULT_MODEL = "phantom"


def list_models() -> list[Path]:
    """Model folders that come with the installation."""
    return sorted(path.parent for path in (resources_folder() / "Models").glob("*/config.json"))


def find_model(name_or_folder: str | Path | None = None) -> Path:
    """The folder of a model given by name or by path; the embedded one if nothing is given."""
    wanted = str(name_or_folder or DEFAULT_MODEL)
    known = {folder.name: folder for folder in list_models()}
    if wanted in known:
        return known[wanted]
    folder = Path(wanted).expanduser()
    if (folder / "config.json").is_file():
        return folder
    raise InputError(
        f"No model {wanted!r}: neither an installed model ({', '.join(known) or 'none'}) "
        "nor a folder with a config.json."
    )
