"""Messages without names of files and without what files contain; both may name patients."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from reg2rg.batch.remote import RemoteFile
from reg2rg.batch.source import Source, files_below
from reg2rg.errors import InputError

_QUOTED = re.compile(r"""(?<!\w)b?(?P<quote>['"])((?!(?P=quote)).)*(?P=quote)(?!\w)""")
"""What a message quotes from a file."""

_UNPACKED = re.compile(r"\b\d{6}-[A-Za-z0-9._]+")
"""Names of files that were unpacked from an archive; see reg2rg.volumes."""


_TEMPORARY = re.compile(r"\S*\breg2rg-[0-9a-f]{16}\b[\w./-]*\b")
"""Names in temporary folders; see reg2rg.runtime.staging."""


def without_names(message: str, source: Source, folders: Mapping[Path, str] | Mapping[Path | RemoteFile, str]) -> str:
    """Replace the names of files in a message, and what it quotes.

    Args:
        message: a message about the scan.
        source: the scan.
        folders: other folders that the message may name, and what to call them.
    """
    masks = [] if source.masks is None else [source.masks]
    if isinstance(source.masks, Path):
        masks += files_below(source.masks)
    calls = {name: "the masks" for path in masks for name in (str(path), path.name)}
    calls |= {name: "the scan" for path in (*source.files, source.path) for name in (str(path), path.name)}
    for file in source.files:
        if file.name.isdigit():  # often the number of a slice, and messages contain numbers
            calls.pop(file.name, None)
    calls |= {str(path): name for path, name in folders.items()}
    calls |= {str(source.path.parent): "its folder"}
    calls = {" ".join(str(InputError(name)).split()): call for name, call in calls.items() if name}  # as in messages
    names = "|".join(map(re.escape, sorted(calls, key=len, reverse=True)))
    message = re.sub(rf"(?<!\w)({names})(?!\w)", lambda match: calls[match[0]], message)
    message = _TEMPORARY.sub("a temporary file", message)
    message = _UNPACKED.sub("a file", _QUOTED.sub("'...'", message))
    return message[:1].upper() + message[1:]
