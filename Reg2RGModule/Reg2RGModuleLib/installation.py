"""Installation of the packages that the engine needs but Slicer does not include.

The user is asked first, and the versions of Slicer's own packages do not change. Nothing is installed into a Python
that the user has chosen. A message names what it lacks and the command that installs it.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from Reg2RGModuleLib import locations

REQUIREMENTS = locations.MODULE / "Resources" / "requirements.txt"
SLICER_PACKAGES = ("numpy", "scipy", "SimpleITK", "pydicom", "requests", "packaging", "pillow", "setuptools")
"""Packages that come with Slicer. Installation is constrained to their current versions."""
ENGINE_PACKAGES = ("numpy", "scipy", "SimpleITK", "pydicom", "pillow")
"""Those that the engine needs, too."""


MINIMUM_PYTHON = "3.10"
CHECK = locations.MODULE / "Resources" / "checkPython.txt"
"""A script, run by the Python that the user chose, that prints as JSON what that Python lacks."""
CHECK_TIMEOUT_S = 20.0


class InstallationError(RuntimeError):
    """The engine cannot run because packages are missing. The message explains why and what to do."""


def missingPackages() -> list[str]:
    """Return the requirements that Slicer's Python does not meet, with torch first."""
    return [name for name in ("torch", *requirements()) if not _isInstalled(name)]


def requirements() -> list[str]:
    """Return the requirements listed in ``requirements.txt``."""
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def ensureInstalled() -> None:
    """Ask the user for permission and install all missing packages.

    Raises:
        InstallationError: the user declined, the installation failed, or the Python that the user chose lacks packages.
    """
    if locations.ownPython():
        checkOwnPython(locations.ownPython())
        return
    missing = missingPackages()
    if not missing:
        return
    if isTesting():
        message = _("Packages are missing: {0}. Packages are not installed in testing mode.")
        raise InstallationError(message.format(", ".join(missing)))
    if not slicer.util.confirmOkCancelDisplay(explanation(missing), _("Reg2RG: first run")):
        message = _("Nothing was installed. Reports cannot be generated without these packages: {0}.")
        raise InstallationError(message.format(", ".join(missing)))
    if "torch" in missing:
        _installTorch()
    others = [name for name in missing if name != "torch"]
    if others:
        _pipInstall(others)
    stillMissing = missingPackages()
    if stillMissing:
        message = _("Packages are still missing after installation: {0}. Restart Slicer and try again.")
        raise InstallationError(message.format(", ".join(stillMissing)))


def isTesting() -> bool:
    """Return whether Slicer runs tests, during which nothing is installed."""
    return slicer.app.testingEnabled()


def checkOwnPython(python: str) -> None:
    """Check that a Python that the user chose can run the engine.

    Raises:
        InstallationError: it cannot. The message names what is missing and the command that installs it.
    """
    code = CHECK.read_text(encoding="utf-8")
    names = ["torch", *requirements(), *ENGINE_PACKAGES]
    environment = locations.environmentFor(python)
    try:
        done = subprocess.run(
            [python, "-c", code, MINIMUM_PYTHON, *names],
            env=environment,
            capture_output=True,
            text=True,
            timeout=CHECK_TIMEOUT_S,
        )
        found = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        message = _(
            "{0} is not a Python that can be run. Choose another Engine Python in the Advanced section, or leave "
            "the field empty to use Slicer's."
        )
        raise InstallationError(message.format(python)) from None
    if found["tooOld"]:
        message = _("{0} is Python {1}, but the engine needs {2} or later. Choose another one in the Advanced section.")
        raise InstallationError(message.format(python, found["version"], MINIMUM_PYTHON))
    if found["missing"]:
        message = _("{0} lacks packages that the engine needs. Install them in a terminal: {1}")
        command = subprocess.list2cmdline if os.name == "nt" else shlex.join
        raise InstallationError(message.format(python, command([python, "-m", "pip", "install", *found["missing"]])))


def explanation(missing: Sequence[str]) -> str:
    """Return the question that the user is asked before anything is installed."""
    return _(
        "These Python packages are needed to generate reports and will be installed into Slicer:\n\n{0}\n\n"
        "PyTorch is installed by the PyTorch extension and the others from the Python Package Index (PyPI). The total "
        "size is 1 to 3 GB. The versions of Slicer's own packages do not change. Reports are generated on this "
        "computer, and no images leave it."
    ).format("\n".join(missing))


def _isInstalled(requirement: str) -> bool:
    from packaging.requirements import Requirement

    wanted = Requirement(requirement)
    try:
        return wanted.specifier.contains(importlib.metadata.version(wanted.name), prereleases=True)
    except importlib.metadata.PackageNotFoundError:
        return False


def _installTorch() -> None:
    """Install PyTorch with the PyTorch extension, which chooses a suitable build for this computer."""
    try:
        import PyTorchUtils
    except ImportError:
        message = _(
            "PyTorch and the PyTorch extension are not installed. Install the extension 'PyTorch' in Slicer's "
            "Extensions Manager, restart Slicer, and try again."
        )
        raise InstallationError(message) from None
    try:
        torch = PyTorchUtils.PyTorchUtilsLogic().installTorch()
    except Exception as error:
        raise InstallationError(_("PyTorch could not be installed: {0}").format(error)) from error
    if torch is None:
        message = _("PyTorch was not installed. Try again, or install it with the PyTorch Utils module.")
        raise InstallationError(message)


def _pipInstall(packages: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text("\n".join(_slicerVersions()) + "\n", encoding="utf-8")
        try:
            _packagingOrUtil(list(packages), str(constraints))
        except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
            message = _(
                "Installation failed ({0}). Slicer's own packages were not changed. Check the network connection and "
                "proxy settings, or choose another Python under Advanced."
            )
            raise InstallationError(message.format(error)) from error


def _packagingOrUtil(packages: list[str], constraints: str) -> None:
    try:
        from slicer import packaging  # Slicer 5.12 and later
    except ImportError:
        slicer.util.pip_install(["--constraint", constraints, *packages])
        return
    packaging.pip_install(packages, constraints=constraints, requester="Reg2RG")


def _slicerVersions() -> list[str]:
    """Return Slicer's own packages pinned to their installed versions."""
    pins = []
    for name in SLICER_PACKAGES:
        try:
            pins.append(f"{name}=={importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue  # before Slicer 5.12, pip does not know Slicer's build of SimpleITK
    return pins
