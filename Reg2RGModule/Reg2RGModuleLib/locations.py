"""Where the engine's code and sample data are, and which Python runs the engine."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import slicer
from slicer.i18n import tr as _

MODULE = Path(__file__).resolve().parent.parent
"""Folder of the module file."""
PYTHON_SETTING = "Reg2RG/EnginePython"
"""Application setting: the Python executable that the user chose for the engine. Empty: use Slicer's Python."""


def engineFolder() -> Path:
    """Return the folder that contains the package ``reg2rg``.

    It is beside the installed module, in a source checkout, or in site-packages.

    Raises:
        RuntimeError: the package was not found.
    """
    for folder in (MODULE / "Reg2RGExtension", MODULE.parent / "Reg2RGExtension", MODULE.parent.parent):
        if (folder / "reg2rg" / "__init__.py").is_file():
            return folder
    raise RuntimeError(
        _(
            "The Reg2RG engine was found neither in {0} nor next to it. Reinstall the extension, or add the folder "
            "Reg2RGModule of a complete source checkout to Slicer's additional module paths."
        ).format(MODULE)
    )


def makeEngineImportable() -> None:
    """Let this process import the engine's lightweight packages. It never imports torch."""
    folder = str(engineFolder())
    if folder not in sys.path:
        sys.path.append(folder)


def sampleNames() -> tuple[str, str]:
    """Return the names of the sample CT and of its segmentation in the scene."""
    return _("Sample chest (synthetic)"), _("Sample chest, true regions")


def ownPython() -> str:
    """Return the Python that the user chose for the engine, or "" if there is none."""
    return slicer.app.userSettings().value(PYTHON_SETTING, "") or ""


def setOwnPython(path: str) -> None:
    """Choose the Python that runs the engine. Empty: use Slicer's Python."""
    slicer.app.userSettings().setValue(PYTHON_SETTING, path)


def enginePython() -> str:
    """Return the Python that runs the engine: the user's choice, else PythonSlicer, else the running Python."""
    if ownPython():
        return ownPython()
    suffix = ".exe" if os.name == "nt" else ""
    nextToOurs = Path(sys.exec_prefix).parent / "bin" / f"PythonSlicer{suffix}"
    candidates = [Path(slicer.app.slicerHome) / "bin" / f"PythonSlicer{suffix}", nextToOurs]
    for candidate in candidates:
        if candidate.is_file():
            return str(candidate)
    return shutil.which("PythonSlicer") or sys.executable


def engineEnvironment() -> dict[str, str]:
    """Return the environment variables of the engine's process."""
    return environmentFor(ownPython())


def environmentFor(python: str) -> dict[str, str]:
    """Return the environment variables of a process that may import the engine.

    The user's own Python must not load Slicer's libraries, so it gets the environment that Slicer was started in.

    Args:
        python: the Python that the user chose. Empty: Slicer's.
    """
    environment = dict(slicer.util.startupEnvironment()) if python else dict(os.environ)
    for name in ("PYTHONHOME", "PYTHONPATH") if python else ():
        environment.pop(name, None)
    inherited = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = os.pathsep.join([str(engineFolder()), *([inherited] if inherited else [])])
    environment["PYTHONUNBUFFERED"] = "1"
    return environment
