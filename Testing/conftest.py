"""Test markers. ``slicer`` and ``shared`` are set here, ``slow`` and ``posix`` in the test files."""

from __future__ import annotations

import os

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that run the Slicer module or need ``../shared``, and skip POSIX tests on Windows."""
    for item in items:
        if "Slicer" in item.path.parts:
            item.add_marker("slicer")
        if "shared" in getattr(item, "fixturenames", ()):
            item.add_marker("shared")
        if os.name == "nt" and item.get_closest_marker("posix"):
            item.add_marker(pytest.mark.skip(reason="Windows has no POSIX signals and resource limits"))
