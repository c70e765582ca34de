"""Temporary folders that disappear however the process ends, and results that appear whole or not at all.

A process that is killed cannot clean up behind itself. So a second, tiny process (the janitor) is told beforehand what
is to be done; it sees the end of its standard input when this process dies, does it, and ends too.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Duties by folder: "remove" it, "move" its files to the target and remove it, or remove it if "empty". The last told is
# done first, because a folder inside another is made after it.
_JANITOR = """
import contextlib, json, os, shutil, signal, sys
duties = {}
for line in sys.stdin.buffer:
    folder, duty, target = json.loads(line)
    if duty:
        duties[folder] = duty, target
    else:
        duties.pop(folder, None)
_, group = duties.pop("group", (None, None))
if group:
    with contextlib.suppress(OSError):
        os.killpg(group, signal.SIGKILL)
for folder, (duty, target) in reversed(duties.items()):
    with contextlib.suppress(OSError):
        if duty == "empty":
            os.rmdir(folder)
        if duty == "move":
            for name in os.listdir(folder):
                os.replace(os.path.join(folder, name), os.path.join(target, name))
    if duty != "empty":
        shutil.rmtree(folder, ignore_errors=True)
"""


_WINDOWS_FLAGS = getattr(subprocess, "CREATE_NO_WINDOW", 0) | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)


class _Janitor:
    """The process that finishes or removes what we leave behind."""

    def __init__(self) -> None:
        # In a session of its own: Ctrl-C, a closed terminal or a signal to our process group must not end it first.
        # Not in our folder: that would keep a folder busy. The launcher of Slicer's Python needs its environment.
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-c", _JANITOR],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd=os.path.abspath(os.sep),
            start_new_session=True,
            creationflags=_WINDOWS_FLAGS,
        )

    def tell(self, key: Path | str, duty: str | None, target: Path | int | None) -> None:
        self._process.stdin.write(json.dumps([key, duty, target], default=str).encode() + b"\n")

    def leave(self) -> None:
        """Let go of the janitor without ending it."""
        self._process.stdin.close()


_janitor: _Janitor | None = None


def _tell(key: Path | str, duty: str | None, target: Path | int | None = None) -> None:
    global _janitor
    _janitor = _janitor or _Janitor()
    _janitor.tell(key, duty, target)


def _leave_janitor_to_parent() -> None:
    # A forked child that outlives us would hold the pipe open, and the janitor would wait for it.
    global _janitor
    if _janitor is not None:
        _janitor.leave()
        _janitor = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_janitor_to_parent)


def kill_children_on_exit() -> None:
    """Whatever ends this process ends the processes it has started, too. For a process that ends by ``os._exit``.

    It becomes the leader of a session of its own if need be, so that the group holds nobody else. Where there are no
    process groups (Windows) nothing is done.
    """
    if not hasattr(os, "setsid"):
        return
    if os.getpgrp() != os.getpid():
        os.setsid()
    _tell("group", "end", os.getpid())


@contextmanager
def scratch_folder(inside: Path | None = None) -> Iterator[Path]:
    """A fresh folder, private to the user, that is gone afterwards, also if the process is killed.

    Args:
        inside: where to make it, hidden; the system's place for temporary files if None.
    """
    name = f"reg2rg-{secrets.token_hex(8)}"
    folder = Path(tempfile.gettempdir(), name).absolute() if inside is None else inside.absolute() / f".{name}"
    _tell(folder, "remove")
    try:
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _tell(folder, None)


@contextmanager
def redirected_tempdir() -> Iterator[None]:
    """What libraries and child processes take for the system's temporary folder is a scratch folder of ours."""
    before = tempfile.tempdir, os.environ.get("TMPDIR")
    with scratch_folder() as folder:
        tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
        try:
            yield
        finally:
            tempfile.tempdir = before[0]
            os.environ.pop("TMPDIR")
            if before[1] is not None:
                os.environ["TMPDIR"] = before[1]


@contextmanager
def staged_output(folder: Path) -> Iterator[Path]:
    """A scratch folder whose files move into ``folder`` when the block ends well: all of them or, if it fails, none.

    ``folder`` is made if need be, and nothing else in it is touched. If the process is killed before the move, nothing
    has changed; if it is killed during the move, the janitor completes it.
    """
    folder = folder.absolute()
    made = [path for path in (*reversed(folder.parents), folder) if not path.exists()]
    for path in made:
        _tell(path, "empty")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with scratch_folder(inside=folder) as staging:
            yield staging
            _tell(staging, "move", folder)
            for file in staging.iterdir():
                os.replace(file, folder / file.name)
    finally:
        for path in reversed(made):
            with contextlib.suppress(OSError):  # it is not empty: the results are in it
                path.rmdir()
            _tell(path, None)
