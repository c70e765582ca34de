"""Test markers and the order of the test files.

``slicer`` and ``shared`` are set here, ``slow`` and ``posix`` in the test files.
"""

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
    # Files that take long come first, so that no process is left with one of them when the others have finished.
    long_files = {item.path for item in items if item.get_closest_marker("slow") or item.get_closest_marker("slicer")}
    items.sort(key=lambda item: item.path not in long_files)
