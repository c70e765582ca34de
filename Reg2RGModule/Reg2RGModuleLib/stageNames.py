"""The names of the engine's stages."""

from __future__ import annotations

from slicer.i18n import tr as _


def stageName(stage: str) -> str:
    """Return the name of an engine stage as shown in the panel."""
    return {
        "read": _("Reading the volume"),
        "segment": _("Segmenting the regions"),
        "measure": _("Measuring"),
        "prepare": _("Preparing the regions for the model"),
        "load": _("Loading the model"),
        "write": _("Writing the sections"),
        "compare": _("Comparing with the prior CT"),
        "save": _("Saving the report"),
    }[stage]
