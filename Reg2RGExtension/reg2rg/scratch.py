"""Temporary folders that disappear however the process ends, and results that appear whole or not at all.

A process that is killed cannot clean up behind itself. So a second, tiny process (the janitor) holds the list of what is
to be removed or put back; it sees the end of its standard input when this process dies, does it, and ends too.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_JANITOR = """
import json, os, shutil, sys
duties = {}
for line in sys.stdin:
    key, duty = json.loads(line)
    duties.pop(key, None)
    if duty:
        duties[key] = duty
for previous, target in [d for d in duties.values() if len(d) == 2]:
    if os.path.lexists(previous) and not os.path.lexists(target):
        os.rename(previous, target)
for duty in duties.values():
    shutil.rmtree(duty[0], ignore_errors=True)
"""


class _Janitor:
    """Tells the janitor process its duties: [folder to remove], or [folder to put back, where to]."""

    def __init__(self) -> None:
        # Its own session, so that Ctrl-C or a signal to our process group does not end it before its work.
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-E", "-c", _JANITOR],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def tell(self, key: Path, duty: list[Path]) -> None:
        line = json.dumps([str(key), [str(path) for path in duty]]) + "\n"
        self._process.stdin.write(line.encode())
        self._process.stdin.flush()


_janitor: _Janitor | None = None


def _tell(key: Path, *duty: Path) -> None:
    global _janitor
    _janitor = _janitor or _Janitor()
    _janitor.tell(key, list(duty))


@contextmanager
def scratch_folder(beside: Path | None = None) -> Iterator[Path]:
    """A fresh folder that is gone afterwards, also if the process is killed.

    Args:
        beside: make it a hidden sibling of this path (the same file system) instead of in the system's place.
    """
    if beside is None:
        folder = Path(tempfile.mkdtemp(prefix="reg2rg-"))
    else:
        folder = Path(tempfile.mkdtemp(prefix=f".{beside.name}.partial-", dir=beside.parent))
    _tell(folder, folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _tell(folder)


def replace_folder(new: Path, target: Path) -> None:
    """Move folder ``new`` to ``target`` on the same file system; what was there stays until the new one is in place."""
    if not target.exists():
        os.rename(new, target)
        return
    with scratch_folder(beside=target) as aside:
        previous = aside / target.name
        _tell(previous, previous, target)
        os.rename(target, previous)
        try:
            os.rename(new, target)
        except OSError:
            os.rename(previous, target)
            raise
        finally:
            _tell(previous)
