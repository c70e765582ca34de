"""A scan among the inputs, and the case that it becomes once its content is known."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ID_LENGTH = 12
"""Hexadecimal digits of a case's ID that is made of its content: 25,000 cases share one with probability 1e-6."""


@dataclass(frozen=True)
class Source:
    """A scan among the inputs.

    Attributes:
        path: the volume file, or the folder of a DICOM series.
        series: instance UID of the DICOM series; empty if it is a file.
        masks: file or folder with the masks of its regions; None if it is to be segmented.
        name: the case's ID as given in a table; empty if it is made of the content.
        files: all files that belong to it, in order.
        problem: why it cannot be read, if that is known already.
    """

    path: Path
    series: str = ""
    masks: Path | None = None
    name: str = ""
    files: tuple[Path, ...] = ()
    problem: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What identifies the scan while its content changes."""
        return self.series or str(self.path), self.name

    def signature(self) -> str:
        """Return a hash of names, sizes and times of its files, which changes when they do; empty if it has a problem.

        Raises:
            OSError: a file does not exist anymore.
        """
        if self.problem:
            return ""
        digest = hashlib.sha256()
        for file in self.files + files_below(self.masks):
            status = file.stat()
            digest.update(f"{file}\0{status.st_size}\0{status.st_mtime_ns}\0".encode(errors="surrogateescape"))
        return digest.hexdigest()

    def content(self) -> str:
        """Return the hash of the content of its files, which does not depend on their names and copies."""
        scan, masks = _hash_of(self.files), _hash_of(files_below(self.masks))
        return hashlib.sha256(f"{scan}\0{masks}".encode()).hexdigest()

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
        try:
            return self.source.signature() == self.signature
        except OSError:
            return False


def files_below(path: Path | None) -> tuple[Path, ...]:
    """Return the files in a folder and its subfolders, or the file itself; none if there is no path."""
    if path is None:
        return ()
    return tuple(sorted(file for file in path.rglob("*") if file.is_file())) if os.path.isdir(path) else (path,)


def _hash_of(files: Iterable[Path]) -> str:
    hashes = set()
    for file in files:
        with file.open("rb") as stream:
            digest = hashlib.sha256()
            while block := stream.read(1 << 20):
                digest.update(block)
            hashes.add(digest.hexdigest())
    return hashlib.sha256("\n".join(sorted(hashes)).encode()).hexdigest()
