"""Where the engine's code is, and which Python runs it."""

import os
import shutil
import sys
from pathlib import Path

import slicer

MODULE = Path(__file__).resolve().parent.parent
SAMPLE_NAMES = ("Sample chest (synthetic)", "Sample chest, true regions")
"""What the sample case's CT and its segmentation are called in the scene."""
PYTHON_SETTING = "Reg2RG/EnginePython"
"""Application setting: a Python executable of the user's own for the engine; empty for Slicer's."""


def engineFolder():
    """The folder that holds the package reg2rg: beside the installed module, in a source checkout, or site-packages."""
    for folder in (MODULE / "Reg2RGExtension", MODULE.parent / "Reg2RGExtension", MODULE.parent.parent):
        if (folder / "reg2rg" / "__init__.py").is_file():
            return folder
    raise RuntimeError(
        f"The engine (reg2rg) was found neither in {MODULE} nor beside it. Install the extension again, "
        "or add the folder Reg2RGModule of a complete source checkout to Slicer's additional module paths."
    )


def makeEngineImportable():
    """Let this process import the engine's light rooms (regions, report); torch is never imported here."""
    folder = str(engineFolder())
    if folder not in sys.path:
        sys.path.append(folder)


def ownPython():
    """The Python that the user chose for the engine, "" if none was."""
    return slicer.app.userSettings().value(PYTHON_SETTING, "") or ""


def setOwnPython(path):
    slicer.app.userSettings().setValue(PYTHON_SETTING, path)


def enginePython():
    """The Python executable that runs the engine: the user's own, else PythonSlicer, else the one that runs us."""
    if ownPython():
        return ownPython()
    suffix = ".exe" if os.name == "nt" else ""
    beside = Path(sys.exec_prefix).parent / "bin" / f"PythonSlicer{suffix}"
    candidates = [Path(slicer.app.slicerHome) / "bin" / f"PythonSlicer{suffix}", beside]
    for candidate in candidates:
        if candidate.is_file():
            return str(candidate)
    return shutil.which("PythonSlicer") or sys.executable


def engineEnvironment():
    """Environment variables for the engine's process.

    The user's own Python must not meet Slicer's libraries, so it gets the environment that Slicer was started from.
    """
    environment = dict(slicer.util.startupEnvironment()) if ownPython() else dict(os.environ)
    for name in ("PYTHONHOME", "PYTHONPATH") if ownPython() else ():
        environment.pop(name, None)
    known = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = os.pathsep.join([str(engineFolder()), *([known] if known else [])])
    environment["PYTHONUNBUFFERED"] = "1"
    return environment
