"""Markers of the tests: ``slicer`` and ``shared`` are set here, ``slow`` at the tests themselves."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that run the Slicer module, and those that need ``../shared``."""
    for item in items:
        if "Slicer" in item.path.parts:
            item.add_marker("slicer")
        if "shared" in getattr(item, "fixturenames", ()):
            item.add_marker("shared")
