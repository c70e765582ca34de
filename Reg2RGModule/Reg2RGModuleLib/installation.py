"""What the engine needs beyond what Slicer brings, and how it is installed: after asking, Slicer's own untouched."""

import importlib.metadata
import subprocess
import tempfile
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from Reg2RGModuleLib import locations

REQUIREMENTS = locations.MODULE / "Resources" / "requirements.txt"
SLICERS_OWN = ("numpy", "scipy", "SimpleITK", "pydicom", "requests", "packaging", "pillow", "setuptools")
"""Packages that belong to Slicer: constrained to the versions it has, so that no installation changes them."""


class InstallationError(RuntimeError):
    """The engine cannot run as things are; the message says why and what to do."""


def missingPackages():
    """Requirements that this Python does not meet, torch first; [] where the engine has a Python of its own."""
    if locations.ownPython():
        return []
    return [name for name in ("torch", *requirements()) if not _isInstalled(name)]


def requirements():
    """The lines of requirements.txt."""
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def ensureInstalled():
    """Install what is missing, after asking; InstallationError if that is refused or fails."""
    missing = missingPackages()
    if not missing:
        return
    if slicer.app.testingEnabled():
        words = _("Not installed: {0}. Nothing is installed in testing mode.")
        raise InstallationError(words.format(", ".join(missing)))
    if not slicer.util.confirmOkCancelDisplay(explanation(missing), _("Reg2RG: first run")):
        raise InstallationError(
            _("Nothing was installed, so no report can be written. Missing: {0}.").format(", ".join(missing))
        )
    if "torch" in missing:
        _installTorch()
    others = [name for name in missing if name != "torch"]
    if others:
        _pipInstall(others)
    still = missingPackages()
    if still:
        words = _("Still missing after the installation: {0}. Restart Slicer and try again.")
        raise InstallationError(words.format(", ".join(still)))


def explanation(missing):
    """What would be installed, in words."""
    return _(
        "To write reports, these Python packages will be installed into Slicer:\n\n{0}\n\n"
        "PyTorch comes through the PyTorch extension, the others from the package index: about 1 to 3 GB in all. "
        "Slicer's own packages stay as they are. The report itself is made on this computer; no image leaves it."
    ).format("\n".join(missing))


def _isInstalled(requirement):
    from packaging.requirements import Requirement

    wanted = Requirement(requirement)
    try:
        return wanted.specifier.contains(importlib.metadata.version(wanted.name), prereleases=True)
    except importlib.metadata.PackageNotFoundError:
        return False


def _installTorch():
    """PyTorch through its extension, which picks the build that fits the computer."""
    try:
        import PyTorchUtils
    except ImportError:
        raise InstallationError(
            _(
                "PyTorch is missing and so is the PyTorch extension. Install 'PyTorch' in Slicer's Extensions Manager, "
                "restart Slicer, and try again."
            )
        ) from None
    try:
        torch = PyTorchUtils.PyTorchUtilsLogic().installTorch()
    except Exception as error:
        raise InstallationError(_("PyTorch was not installed: {0}").format(error)) from error
    if torch is None:
        raise InstallationError(_("PyTorch was not installed. Try again, or install it in the module PyTorch Utils."))


def _pipInstall(packages):
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text("\n".join(_ownVersions()) + "\n", encoding="utf-8")
        try:
            _packagingOrUtil(packages, str(constraints))
        except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
            raise InstallationError(
                _(
                    "Installation failed ({0}); Slicer's own packages are as they were. Check the network or the "
                    "proxy, or choose a Python of your own under Advanced."
                ).format(error)
            ) from error


def _packagingOrUtil(packages, constraints):
    try:
        from slicer import packaging  # Slicer 5.12 and later
    except ImportError:
        slicer.util.pip_install(["--constraint", constraints, *packages])
        return
    packaging.pip_install(packages, constraints=constraints, requester="Reg2RG")


def _ownVersions():
    """Slicer's own packages pinned to what they are."""
    pins = []
    for name in SLICERS_OWN:
        try:
            pins.append(f"{name}=={importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue  # SimpleITK is Slicer's own build before 5.12, unknown to pip
    return pins
