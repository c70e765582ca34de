"""Connections that break off."""

from __future__ import annotations

from reg2rg.errors import Reg2RGError


class BrokenConnectionError(Reg2RGError):
    """A connection could not be made or broke off, and may succeed if it is tried again."""
