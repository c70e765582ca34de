"""``reg2rg desktop --screenshot``: a screenshot of the review panel with a completed report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slicer_host import desktop
from slicer_host.event_loop import settle, wait_for

if TYPE_CHECKING:
    from slicer_host.window import MainWindow

REPORT_TIMEOUT = 900.0
"""Maximum time for generating the report, in seconds."""
SELECTED_REGION = "lung"
"""Region whose section is selected in the screenshot, if the report has such a section."""


def save_screenshot(file: Path, ct: Path | None = None, size: tuple[int, int] = desktop.SIZE) -> None:
    """Generate a report in the window and save a screenshot of the window.

    In the screenshot, a section and its first located finding are selected.

    Args:
        file: PNG file to write.
        ct: CT file, DICOM folder, or ZIP archive of a DICOM folder. If None, the sample case is used.
        size: Width and height of the window in pixels.

    Raises:
        InputError: If the CT cannot be read or is not a chest CT.
        RuntimeError: If no report was generated or the file cannot be written.
    """
    from slicer_host import host

    host.start(testing=True)
    try:
        save_report(desktop.show_module(desktop.module_folder(), size), file, ct)
    finally:
        host.end()


def save_report(window: MainWindow, file: Path, ct: Path | None = None) -> None:
    """Generate a report in a window that is open and save a screenshot of the window.

    Args:
        window: The window.
        file: PNG file to write.
        ct: CT file, DICOM folder, or ZIP archive of a DICOM folder. If None, the sample case is used.

    Raises:
        InputError: If the CT cannot be read or is not a chest CT.
        RuntimeError: If no report was generated or the file cannot be written.
    """
    import slicer

    widget = slicer.modules.reg2rgmodule.widgetRepresentation().self()
    panel, logic = widget.panel, widget.logic
    if ct is None:
        panel.inputs.loadSample()
    else:
        desktop.open_ct(ct)
    panel.run.generate()
    wait_for(lambda: not logic.run.active and not logic.views.surfaces.busy, REPORT_TIMEOUT)
    regions = panel.sections.regions
    if not regions:
        raise RuntimeError(panel.ui.messageLabel.text.removeprefix("⚠ "))
    panel.navigation.select(SELECTED_REGION if SELECTED_REGION in regions else regions[0])
    panel.navigation.nextFinding()
    settle()
    if not window.grab().save(str(file), "PNG"):
        raise RuntimeError(f"Could not write {file}; check that its folder exists and is writable.")
