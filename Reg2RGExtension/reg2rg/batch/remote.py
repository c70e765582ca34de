"""Files in a store that fsspec knows, such as S3: they are listed without being read, downloaded and uploaded.

Credentials come from where the file system of the store looks for them, for example the environment.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reg2rg.errors import InputError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # a drive of Windows has one letter

_PATTERN = re.compile(r"[*?[]|(?<![:/])//")
"""What file systems expand to other names, also when they remove a folder, or read in different ways."""


@dataclass(frozen=True, order=True)
class RemoteFile:
    """A file in a store.

    Attributes:
        url: its URL.
        version: what the store says about its content, which changes when the content does: on S3, ETag and size.
    """

    url: str
    version: str = ""

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> RemoteFile:
        return RemoteFile(f"{self.url.rstrip('/')}/{name}")

    @property
    def name(self) -> str:
        """The last part of the URL."""
        return self.url.rstrip("/").rpartition("/")[2]

    @property
    def parent(self) -> RemoteFile:
        """The folder of the file."""
        return RemoteFile(self.url.rstrip("/").rpartition("/")[0])


def is_url(text: str) -> bool:
    """Return whether a text is a URL, and not a path."""
    return _URL.match(text) is not None


def folder_at(url: str) -> RemoteFile:
    """Return the folder at a URL, with the URL that listings of its files begin with.

    Args:
        url: URL of a folder, which need not exist.

    Raises:
        InputError: the URL may stand for several folders, or its store is not known.
    """
    if _PATTERN.search(url):
        raise InputError(f"{url} is not the URL of one folder; expected one without *, ?, [ and empty parts (//).")
    with _store(url) as (fs, path):
        return RemoteFile(fs.unstrip_protocol(path.rstrip("/")))


def list_files(url: str, *, below: bool = True) -> list[RemoteFile]:
    """List the file at a URL, those that match it, or those in a folder; hidden ones are left out.

    Args:
        url: a file, folder or glob.
        below: whether to list the subfolders of a folder, too.

    Raises:
        InputError: there is no such file, or the store cannot be used.
    """
    with _store(url) as (fs, path):
        found = fs.find(path, maxdepth=None if below else 1, detail=True)
        if not found:
            found = fs.glob(path, detail=True)
        if not found or found.keys() == {path}:
            found = {path: fs.info(path)}
        top = path.rstrip("/").partition("*")[0]
        files = [
            RemoteFile(fs.unstrip_protocol(name), _version(info))
            for name, info in found.items()
            if info["type"] == "file" and not name.endswith("/") and "/." not in name[len(top) :]
        ]
    return sorted(files)


def list_folder(folder: RemoteFile) -> list[RemoteFile]:
    """List the files in a folder and its subfolders, except hidden ones; none if there is no such folder.

    Raises:
        InputError: the store cannot be used.
    """
    try:
        return [file for file in list_files(folder.url) if file.url != folder.url]
    except InputError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return []
        raise


def download(files: Sequence[RemoteFile], targets: Sequence[Path]) -> None:
    """Download files of a store.

    Args:
        files: the files.
        targets: where each of them is written to; the folders exist.

    Raises:
        InputError: one of them is missing, or the store cannot be used.
    """
    if not files:
        return
    with _store(files[0].url) as (fs, _):
        fs.get([fs._strip_protocol(file.url) for file in files], [str(target) for target in targets])


def upload(files: Sequence[Path], targets: Sequence[RemoteFile]) -> None:
    """Upload files. Each is complete or absent.

    Args:
        files: the files.
        targets: what each of them becomes, all in one store.

    Raises:
        InputError: the store cannot be used.
    """
    if not files:
        return
    with _store(targets[0].url) as (fs, _):
        fs.put([str(file) for file in files], [fs._strip_protocol(target.url) for target in targets])


def remove(file: RemoteFile) -> None:
    """Remove a file or a folder, if it exists.

    Raises:
        InputError: the store cannot be used.
    """
    with _store(file.url) as (fs, path), contextlib.suppress(FileNotFoundError):
        fs.rm(path, recursive=True)


def read_content(url: str) -> bytes:
    """Return the content of a small file.

    Raises:
        InputError: it is missing, or the store cannot be used.
    """
    with _store(url) as (fs, path):
        content: bytes = fs.cat_file(path)
    return content


@contextmanager
def _store(url: str) -> Iterator[tuple[Any, str]]:
    """Provide the file system of a URL and the path in it; whatever the file system raises is an InputError."""
    try:
        import fsspec

        yield fsspec.url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        raise InputError(f"{url} needs another package ({error}); for S3: pip install 'reg2rg[remote]'.") from error
    except FileNotFoundError as error:
        raise InputError(f"{url} cannot be found.") from error
    except Exception as error:  # file systems raise what their libraries do, and messages may quote credentials
        reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        raise InputError(f"{url} cannot be used ({reason}).") from error


def _version(info: dict[str, Any]) -> str:
    tag = info.get("ETag") or info.get("etag") or info.get("mtime") or info.get("created") or ""
    return f"{tag} {info.get('size')}"
