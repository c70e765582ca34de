"""The module ``ctk``: the supported CTK widgets."""

from __future__ import annotations

import types

from slicer_host.ctk_widgets import WIDGETS
from slicer_host.ui_loader import CUSTOM_WIDGETS


def make() -> types.ModuleType:
    """Return the module, after making its widgets available to .ui files."""
    module = types.ModuleType("ctk")
    for widget in WIDGETS:
        CUSTOM_WIDGETS[widget.__name__] = widget
        setattr(module, widget.__name__, widget)
    return module
