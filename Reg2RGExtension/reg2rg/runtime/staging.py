"""Temporary folders that are removed no matter how the process ends, and output that appears all at once or not at all.

A process that is killed cannot clean up after itself. A second, tiny process (the janitor) is therefore told in advance
what to clean up. Its standard input is a pipe from this process: when this process dies, the pipe closes, and the
janitor performs its duties and exits.
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
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reg2rg.errors import InputError

# Each line of standard input is JSON: [folder, duty, target]. Duties are "remove" the folder, "move" its files to the
# target and remove it, or remove it if it is "empty"; null cancels the folder's duty. The special key "group" names a
# process group to kill. Duties run last in, first out, because nested folders are registered after their parents.
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
    """The process that completes or removes what a dead process leaves behind."""

    def __init__(self) -> None:
        # The janitor has its own session, so that Ctrl-C, a closed terminal or a signal to our process group does not
        # end it first, and its own working directory, so that it does not keep ours busy. It inherits the environment,
        # because the launcher of Slicer's Python needs it.
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
        assert self._process.stdin is not None
        self._duties = self._process.stdin

    def assign(self, key: Path | str, duty: str, target: Path | int | None) -> None:
        """Add or replace the duty registered under a key."""
        self._send(key, duty, target)

    def cancel(self, key: Path | str) -> None:
        """Remove the duty registered under a key."""
        self._send(key, None, None)

    def detach(self) -> None:
        """Close this process's end of the pipe; other processes may still hold it open."""
        self._duties.close()

    def _send(self, key: Path | str, duty: str | None, target: Path | int | None) -> None:
        self._duties.write(json.dumps([key, duty, target], default=str).encode() + b"\n")


_janitor: _Janitor | None = None


def _start_janitor() -> _Janitor:
    """Return the janitor of this process, started on first use."""
    global _janitor
    if _janitor is None:
        _janitor = _Janitor()
    return _janitor


def _detach_forked_child() -> None:
    """Let go of the parent's janitor: a forked child that outlives the parent would keep the pipe open."""
    global _janitor
    if _janitor is not None:
        _janitor.detach()
        _janitor = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_detach_forked_child)


def kill_children_on_exit() -> None:
    """Make sure that the processes this one starts are killed when it ends, even through ``os._exit`` or a signal.

    If necessary, this process becomes the leader of a new session, so that its process group contains only itself and
    its children. On systems without process groups (Windows) nothing happens.
    """
    if sys.platform == "win32":
        return
    if os.getpgrp() != os.getpid():
        os.setsid()
    _start_janitor().assign("group", "kill", os.getpid())


@contextmanager
def scratch_folder(inside: Path | None = None) -> Iterator[Path]:
    """Create a temporary folder for the duration of a block, removed even if the process is killed.

    Only the current user can read it.

    Args:
        inside: folder to create it in, as a hidden folder; the system's temporary folder if None.

    Yields:
        Path of the new, empty folder.
    """
    name = f"reg2rg-{secrets.token_hex(8)}"
    folder = Path(tempfile.gettempdir(), name).absolute() if inside is None else inside.absolute() / f".{name}"
    _start_janitor().assign(folder, "remove", None)
    try:
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _start_janitor().cancel(folder)


@contextmanager
def utf8_path(path: Path) -> Iterator[str]:
    """Provide a path of an existing file or folder for libraries that take only names in UTF-8, such as SimpleITK.

    Yields:
        The path, or that of a temporary link to it if a name in the path is not UTF-8.
    """
    if _is_utf8(str(path)):
        yield str(path)
        return
    with scratch_folder() as folder:
        # A link to the parent keeps its other files in reach: headers name the file that contains the voxels.
        target, name = (path.parent, path.name) if _is_utf8(path.name) else (path, "")
        link = folder / ("folder" if name else "file" + "".join(filter(_is_utf8, path.suffixes)))
        link.symlink_to(target.absolute())
        yield str(link / name)


def _is_utf8(name: str) -> bool:
    """Return whether a name can be encoded; in names that are not UTF-8, Python stores bytes as surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def redirected_tempdir() -> Iterator[None]:
    """Redirect the temporary files of libraries and child processes to a scratch folder for the duration of a block."""
    tempdir, variable = tempfile.tempdir, os.environ.get("TMPDIR")
    with scratch_folder() as folder:
        tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
        try:
            yield
        finally:
            tempfile.tempdir = tempdir
            os.environ.pop("TMPDIR")
            if variable is not None:
                os.environ["TMPDIR"] = variable


@contextmanager
def staged_output(folder: Path, names: Collection[str] = ()) -> Iterator[Path]:
    """Write files to a scratch folder and move all of them into place if the block succeeds, none if it fails.

    The target folder is created if necessary, and its other files are left alone. If the process is killed before the
    move, nothing has changed; if it is killed during the move, the janitor completes it.

    Args:
        folder: where the files go; existing files with the same names are replaced.
        names: names of files that the block may write. Existing files with these names that it does not write are
            removed, because they belong to earlier output. A folder with such a name is refused at the start.

    Yields:
        Path of the scratch folder, on the same file system as ``folder``.

    Raises:
        InputError: a folder has the name of a file.
    """
    folder = folder.absolute()
    _refuse_folders(folder / name for name in names)
    created = [path for path in (*reversed(folder.parents), folder) if not path.exists()]
    for path in created:
        _start_janitor().assign(path, "empty", None)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with scratch_folder(inside=folder) as staging:
            with utf8_path(staging) as readable:
                yield Path(readable)
            files = list(staging.iterdir())
            _refuse_folders(folder / file.name for file in files)
            apply_umask(files)
            _start_janitor().assign(staging, "move", folder)
            _move(files, folder)
            for name in set(names) - {file.name for file in files}:
                (folder / name).unlink(missing_ok=True)
    finally:
        for path in reversed(created):
            with contextlib.suppress(OSError):  # not empty: the output is in it
                path.rmdir()
            _start_janitor().cancel(path)


def _move(files: Iterable[Path], folder: Path) -> None:
    """Move files into a folder. Ctrl-C takes effect once all are there."""
    interruption = None
    for file in files:
        while file.exists():
            try:
                os.replace(file, folder / file.name)
            except KeyboardInterrupt as error:
                interruption = error
    if interruption is not None:
        raise interruption


def apply_umask(files: Iterable[Path]) -> None:
    """Give files the permissions that new files have.

    Libraries that write through temporary files, such as safetensors, leave them readable only by their owner.

    Args:
        files: the files, all of them in one folder.
    """
    mode = None
    for file in files:
        if mode is None:  # a new file has it; asking for the umask itself would change it for all threads
            probe = file.with_name(f".{secrets.token_hex(8)}")
            probe.touch()
            mode = probe.stat().st_mode & 0o777
            probe.unlink()
        file.chmod(mode)


def _refuse_folders(targets: Iterable[Path]) -> None:
    for target in targets:
        if target.is_dir():
            raise InputError(f"{target} is a folder, but a file has to be written there; remove it or choose another.")
