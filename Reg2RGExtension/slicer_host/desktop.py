"""``reg2rg desktop``: the module in its window, or the demo headless as a picture."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from slicer_host import host

SIZE = (1280, 800)
SECONDS_FOR_A_REPORT = 600.0


def open_desktop(module_folder: Path, volume: Path | None) -> int:
    """Show the window until it is closed; returns the exit code."""
    host.start(settings_folder=_settings_folder())
    window = show(module_folder)
    import slicer

    if volume is not None:
        _load(volume)
    del window.closed  # noqa: F821
    return slicer.app.exec()


def show(module_folder: Path, size: tuple[int, int] = SIZE) -> Any:
    """The window with the module in it, on the screen."""
    from slicer_host.window import MainWindow

    window = MainWindow(host.load_module(module_folder))
    window.resize(*size)
    window.show()
    settle()
    return window


def screenshot(module_folder: Path, volume: Path | None, file: Path) -> None:
    """Run the demo in the host and save a picture: a report, its first section with a finding selected."""
    import slicer

    host.start(testing=True)
    window = show(module_folder)
    panel = slicer.modules.reg2rgmodule.widgetRepresentation().self().panel
    if volume is None:
        panel.loadSample()
    else:
        _load(volume)


def settle(seconds: float = 0.2) -> None:
    """Let the event loop run until what is pending has been drawn."""
    import slicer

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        slicer.app.processEvents()


def wait_for(condition: Callable[[], bool], seconds: float = SECONDS_FOR_A_REPORT) -> None:
    """Run the event loop until a condition holds; RuntimeError if it does not in time."""
    import slicer

    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"What was waited for did not happen in {seconds:.0f} s.")
        slicer.app.processEvents()
        time.sleep(0.005)
