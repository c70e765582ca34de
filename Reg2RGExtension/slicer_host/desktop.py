"""``reg2rg desktop``: the module in its window, or the demo run headless and saved as a picture."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIZE = (1280, 800)
SECONDS_FOR_A_REPORT = 900.0
SHOWN_REGION = "lung"
"""The section that is selected in the picture, if the report has it, at its first finding that has a place."""


def module_folder() -> Path:
    """The module: packed beside this package, or in the source checkout."""
    here = Path(__file__).resolve().parent
    packed = here / "Reg2RGModule"
    return packed if packed.is_dir() else here.parent.parent / "Reg2RGModule"


def has_display() -> bool:
    """Whether a window can be seen."""
    return not sys.platform.startswith("linux") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def open_window(volume: Path | None = None) -> int:
    """Show the module in its window until that is closed; returns the exit code."""
    from slicer_host import host

    host.start(settings_folder=Path.home() / ".config" / "reg2rg")
    import slicer

    window = show(module_folder())
    if volume is not None:
        load(volume)
    code = slicer.app.exec()
    window.deleteLater()
    return code


def save_picture(file: Path, volume: Path | None = None, size: tuple[int, int] = SIZE) -> None:
    """Make a report in the window, of the sample case if no volume is given, select a section and save a picture.

    RuntimeError says why there is no report or no picture.
    """
    from slicer_host import host

    host.start(testing=True)
    import slicer

    window = show(module_folder(), size)
    panel = slicer.modules.reg2rgmodule.widgetRepresentation().self().panel
    if volume is None:
        panel.inputs.loadSample()
    else:
        load(volume)
    panel.generate()
    wait_for(lambda: not panel.run.active and not panel.views.surfaces.busy)
    if not panel.sections.regions:
        raise RuntimeError(panel.ui.messageLabel.text)
    panel.select(SHOWN_REGION if SHOWN_REGION in panel.sections.regions else panel.sections.regions[0])
    panel.nextFinding()
    settle(1.0)
    saved = window.grab().save(str(file), "PNG")
    host.end()
    if not saved:
        raise RuntimeError(f"{file} cannot be written; is its folder there?")


def show(module: Path, size: tuple[int, int] = SIZE) -> Any:
    """The main window with a module in it."""
    from slicer_host import host
    from slicer_host.window import MainWindow

    window = MainWindow(host.load_module(module))
    window.resize(*size)
    window.show()
    settle()
    return window


def load(volume: Path) -> Any:
    """Load a CT as the engine reads it: a file, a DICOM folder or a zip of one."""
    import SimpleITK as sitk
    import slicer

    from reg2rg.volumes import read_volume

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ct.nrrd"
        sitk.WriteImage(read_volume(volume), str(file))
        return slicer.util.loadVolume(str(file), {"name": volume.name.split(".")[0]})


def settle(seconds: float = 0.3) -> None:
    """Let the event loop run until what is pending has been drawn."""
    end = time.monotonic() + seconds
    wait_for(lambda: time.monotonic() >= end)


def wait_for(condition: Callable[[], bool], seconds: float = SECONDS_FOR_A_REPORT) -> None:
    """Run the event loop until a condition holds; RuntimeError if it does not in time."""
    import slicer

    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"What was waited for did not happen in {seconds:.0f} s.")
        slicer.app.processEvents()
        time.sleep(0.002)
