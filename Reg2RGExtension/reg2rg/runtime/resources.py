"""Paths of the files that ship with the engine: the embedded model, the sample case and training configurations."""

from __future__ import annotations

from pathlib import Path


def resources_folder() -> Path:
    """Return the Resources folder, inside the installed package or at the top of a source checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "Resources"
    return installed if installed.is_dir() else package.parents[1] / "Resources"


def find_training_config(path: Path) -> Path:
    """Return the path of a training configuration.

    Args:
        path: a file; or, if that does not exist, the name of a configuration that comes with the engine ("smoke"), or
            its path in a checkout ("Resources/Training/smoke.yaml").

    Returns:
        Path of the file, which exists unless the given one is unknown.
    """
    resources = resources_folder()
    places = (path, resources.parent / path, resources / "Training" / f"{path}.yaml")
    return next((place for place in places if place.is_file()), path)


def sample_case() -> tuple[Path, Path]:
    """Return the paths of the sample CT and of its region segmentation.

    The sample CT is a phantom: it is synthetic and contains no patient data.

    Examples:
        >>> import reg2rg
        >>> ct, regions = reg2rg.sample_case()
        >>> ct.name, regions.name
        ('ct.nrrd', 'regions.seg.nrrd')
    """
    folder = resources_folder() / "Sample"
    return folder / "ct.nrrd", folder / "regions.seg.nrrd"
