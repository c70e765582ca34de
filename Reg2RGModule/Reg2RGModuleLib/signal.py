"""Signals for objects that are not Qt objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Listener = Callable[..., Any]


class Signal:
    """A list of listeners, called in the order in which they were connected."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def connect(self, listener: Listener) -> None:
        """Call a listener whenever the signal is emitted."""
        self._listeners.append(listener)

    def disconnect(self, listener: Listener) -> None:
        """Stop calling a listener."""
        self._listeners.remove(listener)

    def emit(self, *values: Any) -> None:
        """Call all listeners. A listener that is disconnected during the call is still called once."""
        for listener in tuple(self._listeners):
            listener(*values)
