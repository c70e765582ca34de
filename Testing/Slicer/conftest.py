"""Run the tests in this folder in the host, offscreen, with one application and one window per session."""

from __future__ import annotations

from pathlib import Path

import pytest
from api_tables import ApiTables, load_tables

from slicer_host import desktop, host

REPOSITORY = Path(__file__).resolve().parents[2]

# Started before tests are collected, because they import qt, slicer and the module at import time, as in Slicer.
host.start(testing=True)
_WINDOW = desktop.show_module(REPOSITORY / "Reg2RGModule")

from hands import drawTranslucentSurfacesQuickly  # noqa: E402 - imports slicer

drawTranslucentSurfacesQuickly()


@pytest.fixture(scope="session", autouse=True)
def window():
    """Return the host's window, which shows the module."""
    yield _WINDOW
    host.end()


@pytest.fixture
def repository() -> Path:
    """Return the top level of the checkout."""
    return REPOSITORY


@pytest.fixture
def shared() -> Path:
    """Return the folder with real CTs and reference data, which is next to the checkout but not part of the project."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"{folder} does not exist; it holds real CTs and reference data")
    return folder


@pytest.fixture
def tables() -> ApiTables:
    """Return the tables of the names of Slicer, Qt and CTK."""
    return load_tables()
