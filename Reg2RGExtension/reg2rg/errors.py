"""Exceptions whose messages are shown to the user."""

import re

_NOT_PRINTED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
"""Line breaks and control characters, which names in damaged files contain."""


class Reg2RGError(Exception):
    """Base class for errors that are shown to the user.

    The message is one line: what was given, what was expected, and what to do. The command line prints it and exits
    with ``exit_code``; the worker sends it as a failure event. Raised directly, it means that the machine cannot do
    what was requested, for example because a disk is full.

    Attributes:
        exit_code: exit status of the command line.
    """

    exit_code = 1

    def __init__(self, message: str) -> None:
        """Keep the message as one line that can be printed."""
        super().__init__(_NOT_PRINTED.sub(" ", message).strip())


class InputError(Reg2RGError):
    """Something the user provided, such as a file or an option, cannot be used."""

    exit_code = 2


class Cancelled(Reg2RGError):
    """The user stopped the run; nothing was written."""
