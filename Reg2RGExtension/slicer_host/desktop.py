"""``reg2rg desktop``: the module in its own window, without Slicer."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from slicer_host.event_loop import settle

if TYPE_CHECKING:
    from slicer import vtkMRMLScalarVolumeNode

    from slicer_host.window import MainWindow

SIZE = (1280, 800)
"""Width and height of the window in pixels."""


def module_folder() -> Path:
    """Return the module's folder: in this package if it is installed, otherwise in the source checkout."""
    package = Path(__file__).resolve().parent
    packaged = package / "Reg2RGModule"
    return packaged if packaged.is_dir() else package.parent.parent / "Reg2RGModule"


def has_display() -> bool:
    """Return whether there is a display to show windows on."""
    return not sys.platform.startswith("linux") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def open_window(ct: Path | None = None) -> int:
    """Show the module, optionally with a CT, until the window is closed.

    Args:
        ct: CT file, DICOM folder, or ZIP archive of a DICOM folder.

    Returns:
        The exit code of the application.

    Raises:
        InputError: If the CT cannot be read or is not a chest CT.
    """
    from slicer_host import host

    host.start(settings_folder=Path.home() / ".config" / "reg2rg")
    import slicer

    window = show_module(module_folder())
    if ct is not None:
        open_ct(ct)
    code = slicer.app.exec()
    window.deleteLater()
    return code


def show_module(folder: Path, size: tuple[int, int] = SIZE) -> MainWindow:
    """Load a scripted module and show it in the main window.

    Args:
        folder: Folder of the module.
        size: Width and height of the window in pixels.
    """
    from slicer_host import host
    from slicer_host.window import MainWindow

    window = MainWindow(host.load_module(folder))
    window.resize(*size)
    window.show()
    settle()
    return window


def open_ct(ct: Path) -> vtkMRMLScalarVolumeNode:
    """Load a CT and make it the module's input volume.

    The module selects a volume on its own only if none is selected, and only when the event loop next runs. A CT that
    the user named is selected here immediately.

    Raises:
        InputError: If the CT cannot be read or is not a chest CT.
    """
    import slicer

    volume = load_ct(ct)
    slicer.modules.reg2rgmodule.widgetRepresentation().self().logic.getParameterNode().inputVolume = volume
    return volume


def load_ct(ct: Path) -> vtkMRMLScalarVolumeNode:
    """Load a CT into the scene with the engine's reader, which checks that it is a chest CT.

    Args:
        ct: CT file, DICOM folder, or ZIP archive of a DICOM folder.

    Raises:
        InputError: If the CT cannot be read or is not a chest CT.
    """
    import SimpleITK as sitk
    import slicer

    from reg2rg.volumes import read_volume

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ct.nrrd"
        sitk.WriteImage(read_volume(ct), str(file))
        return slicer.util.loadVolume(str(file), {"name": ct.name.split(".")[0]})
