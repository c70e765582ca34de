"""Runs the tests of this folder in the host, offscreen: one application and one window for the whole session."""

from __future__ import annotations

from pathlib import Path

import pytest

from slicer_host import desktop, host

REPOSITORY = Path(__file__).resolve().parents[2]

# Before the tests are collected: like tests in Slicer, they import qt, slicer and the module's package at their top.
host.start(testing=True)
_WINDOW = desktop.show_module(REPOSITORY / "Reg2RGModule")


@pytest.fixture(scope="session", autouse=True)
def window():
    """The host's window with the module in it."""
    yield _WINDOW
    host.end()


@pytest.fixture
def repository() -> Path:
    return REPOSITORY


@pytest.fixture
def shared() -> Path:
    """The folder beside the project that is not part of it."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip("../shared is not here")
    return folder
