"""The one kind of error a user is meant to read."""


class Reg2RGError(Exception):
    """Something the user gave cannot be used, or the machine cannot do what was asked.

    The message is one line: what was given, what was expected, what to do. The command line prints it and exits
    with ``exit_code``; the worker sends it as a failure event. Every room's own error derives from this class.
    """

    exit_code = 1


class InputError(Reg2RGError):
    """What the user gave is at fault (a file, an option): the command line exits with 2."""

    exit_code = 2


class Cancelled(Reg2RGError):
    """The user asked to stop; nothing was written."""
