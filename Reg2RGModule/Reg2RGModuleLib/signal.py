"""A list of listeners: what this package's objects tell each other with, where they are no Qt objects."""


class Signal:
    """``connect`` listeners, ``emit`` values to them; they are called in the order they came."""

    def __init__(self):
        self._listeners = []

    def connect(self, listener):
        self._listeners.append(listener)

    def disconnect(self, listener):
        self._listeners.remove(listener)

    def emit(self, *values):
        for listener in tuple(self._listeners):
            listener(*values)
