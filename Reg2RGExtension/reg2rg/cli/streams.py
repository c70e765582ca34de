"""Standard streams that take any text, and that exist."""

from __future__ import annotations

import codecs
import io
import os
import sys


def prepare_streams() -> None:
    """Make sure that output cannot fail because of its characters, or because a stream is closed.

    Names of files are written as their bytes, whatever the encoding of the stream is. Streams that were closed by the
    caller are connected to nothing; files opened later would take their place.
    """
    for descriptor, (name, mode) in enumerate([("stdin", "r"), ("stdout", "w"), ("stderr", "w")]):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free descriptor
            setattr(sys, name, open(descriptor, mode))  # noqa: SIM115 (as long as the process)
    codecs.register_error("reg2rg.bytes", _encode_as_file_name)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="reg2rg.bytes")


def _encode_as_file_name(error: UnicodeError) -> tuple[bytes, int]:
    """Encode characters that a stream cannot show as the file system does; as escapes if it cannot, either."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    try:
        return os.fsencode(text), error.end
    except UnicodeEncodeError:
        return text.encode("ascii", "backslashreplace"), error.end
