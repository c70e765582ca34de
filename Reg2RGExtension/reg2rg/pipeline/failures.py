"""Errors of any kind as one line for the user."""

from __future__ import annotations

import errno
import os
import re
import traceback

from reg2rg.errors import Reg2RGError
from reg2rg.pipeline.events import Failure

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another folder",
    errno.EFBIG: "the file would be too large for this file system; choose another folder",
    errno.EACCES: "permission denied; choose another folder or change its permissions",
    errno.EPERM: "permission denied; choose another folder or change its permissions",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.ENOENT: "no such file or folder; choose another one",
    errno.ENOTDIR: "part of the path is a file; choose another folder",
    errno.EEXIST: "a file with this name already exists; choose another name",
    errno.EISDIR: "a folder with this name already exists; choose another name",
}

_OF_THE_TARGET = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""Errors that, if a file is copied, are about the copy."""

_OS_ERROR = re.compile(r"\(os error (\d+)\)")

_OUT_OF_MEMORY = (
    "out of memory",
    "allocate memory",
    "bad_alloc",
    "could not create a primitive",  # oneDNN
    "could not create a memory object",
    "can't start new thread",
)
"""What libraries call it when memory runs out."""

_UNFINISHED_FILE = ("unexpected pos", "basic_ios::clear", "PytorchStreamWriter failed")
"""What torch.save says about a file that it could not write to the end."""


def as_failure(error: BaseException) -> Failure:
    """Return the message and exit code for an error, whichever library raised it."""
    if isinstance(error, Reg2RGError):
        return Failure(_one_line(str(error)), error.exit_code)
    if isinstance(error, MemoryError) or _is_out_of_memory(error):
        return Failure("Not enough memory; close other programs, or use a smaller volume or model.", 1)
    if isinstance(error, ModuleNotFoundError) and error.name:
        return Failure(f"The Python package {error.name.partition('.')[0]!r} is not installed; install it with pip.", 1)
    if isinstance(error, RuntimeError) and any(words in str(error) for words in _UNFINISHED_FILE):
        error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if match := _OS_ERROR.search(str(error)):  # libraries written in Rust, such as safetensors
        error = OSError(int(match[1]), os.strerror(int(match[1])))
    while isinstance(error, OSError) and error.errno is None and isinstance(error.__cause__, OSError):
        error = error.__cause__  # pydicom adds its traceback to the words of an error, and loses its number
    if isinstance(error, OSError) and error.errno is not None:
        reason = _REASONS.get(error.errno, error.strerror or type(error).__name__)
        name = error.filename2 if error.filename2 and error.errno in _OF_THE_TARGET else error.filename
        if name and ".reg2rg-" not in str(name):  # a temporary name means nothing to the user
            return Failure(_one_line(f"{name}: {reason}."), 1)
        return Failure(_one_line(f"{reason[0].upper()}{reason[1:]}."), 1)
    return Failure(_one_line(f"Unexpected {type(error).__name__}{_function(error)}: {error}"), 1)


def _is_out_of_memory(error: BaseException) -> bool:
    """Return whether memory ran out in torch, in a system call, or while a library was loaded."""
    message = str(error).lower()
    if isinstance(error, ImportError):
        return "failed to map segment" in message or "cannot allocate memory" in message
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(words in message for words in _OUT_OF_MEMORY)


def _function(error: BaseException) -> str:
    """Return the function that raised an error, such as " in read_volume"."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" in {frames[-1].name}" if frames else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())
