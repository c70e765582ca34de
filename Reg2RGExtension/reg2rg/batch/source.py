"""A scan among the inputs, and the case that it becomes once its content is known."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from reg2rg.batch.remote import RemoteFile, list_files
from reg2rg.errors import InputError
from reg2rg.volumes.zip_files import open_members

ID_LENGTH = 12
"""Hexadecimal digits of a case's ID that is made of its content: 25,000 cases share one with probability 1e-6."""


@dataclass(frozen=True)
class Source:
    """A scan among the inputs.

    Attributes:
        path: the volume file, or the folder or ZIP file of a DICOM series.
        series: instance UID of the DICOM series; empty if it is a file, or in a store.
        masks: file or folder with the masks of its regions; None if it is to be segmented.
        name: the case's ID as given in a table; empty if it is made of the content.
        files: all files that belong to it, in order; none if they are in a store and not listed yet.
        members: numbers of its files in a ZIP file; none if ``files`` are its files.
        problem: why it cannot be read, if that is known already.
    """

    path: Path | RemoteFile
    series: str = ""
    masks: Path | RemoteFile | None = None
    name: str = ""
    files: tuple[Path | RemoteFile, ...] = ()
    members: tuple[int, ...] = ()
    problem: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What identifies the scan while its content changes."""
        return key_of(str(self.path), self.series, self.name)

    def signature(self) -> str:
        """Return a hash of names, sizes and times of its files, which changes when they do; empty if it has a problem.

        Raises:
            OSError: a file does not exist anymore.
            InputError: a file in a store does not exist anymore, or the store cannot be used.
        """
        if self.problem:
            return ""
        digest = hashlib.sha256()
        for file in (*self.listed().files, *files_below(self.masks)):
            if isinstance(file, RemoteFile):
                state = file.version
            else:
                status = file.stat()
                state = f"{status.st_size}\0{status.st_mtime_ns}"
            digest.update(f"{file}\0{state}\0".encode(errors="surrogateescape"))
        return digest.hexdigest()

    def content(self) -> str:
        """Return the hash of the content of its files, which does not depend on their names and copies."""
        if self.members and isinstance(self.path, Path):
            scan = _combined(map(_hash, open_members(self.path, self.members)))
        else:
            scan = _combined(map(_hash_of_file, self.listed().files))
        masks = _combined(map(_hash_of_file, files_below(self.masks)))
        return hashlib.sha256(f"{scan}\0{masks}".encode()).hexdigest()

    def listed(self) -> Source:
        """Return the source with its files, which are listed now if it is in a store and they are not known."""
        if self.files or not isinstance(self.path, RemoteFile):
            return self
        files = list_files(self.path.url, below=False)
        if [file.url for file in files] != [self.path.url]:
            files = [file for file in files if is_slice(file)]
        if not files:
            raise InputError(f"{self.path} contains no DICOM files, whose names end with .dcm or .ima.")
        return replace(self, files=tuple(files))

    def read(self) -> Case:
        """Return the case, whose files are read to hash them."""
        if self.problem:
            path = hashlib.sha256("\0".join(self.key).encode(errors="surrogateescape")).hexdigest()
            return Case(self.name or path[:ID_LENGTH], path, "", self)
        signature = self.signature()
        content = self.content()
        return Case(self.name or content[:ID_LENGTH], content, signature, self)


@dataclass(frozen=True)
class Case:
    """A scan whose content is known.

    Attributes:
        id: name of its report folder.
        content: hash of the content of its files.
        signature: the source's signature when the files were hashed.
        source: where it comes from.
    """

    id: str
    content: str
    signature: str
    source: Source

    @property
    def unchanged(self) -> bool:
        """Whether the files are still those that were hashed."""
        source = self.source
        if isinstance(source.path, RemoteFile):
            source = replace(source, files=())  # to list them again
        try:
            return source.signature() == self.signature
        except OSError:
            return False


def key_of(path: str, series: str, name: str) -> tuple[str, str]:
    """Return what identifies a scan while its content changes. Series are also found again in other folders."""
    if series and path.lower().endswith(".zip"):
        return f"{path} {series}", name
    return series or path, name


def files_below(path: Path | RemoteFile | None) -> tuple[Path | RemoteFile, ...]:
    """Return the files in a folder and its subfolders, or the file itself; none if there is no path."""
    if path is None:
        return ()
    if isinstance(path, RemoteFile):
        return tuple(list_files(path.url, below=False))
    return tuple(sorted(file for file in path.rglob("*") if file.is_file())) if os.path.isdir(path) else (path,)


def is_slice(file: RemoteFile) -> bool:
    """Return whether a file in a store counts as a slice of a DICOM series, which only its name can say."""
    return file.name.lower().endswith((".dcm", ".ima"))


def _hash_of_file(file: Path | RemoteFile) -> str:
    if isinstance(file, RemoteFile):
        return file.version
    with file.open("rb") as stream:
        return _hash(stream)


def _hash(stream: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def _combined(hashes: Iterable[str]) -> str:
    """Return the hash of a set of files."""
    return hashlib.sha256("\n".join(sorted(set(hashes))).encode()).hexdigest()
