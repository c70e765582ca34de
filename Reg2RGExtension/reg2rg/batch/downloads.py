"""A scan in a store, downloaded to a temporary folder of the process that reads it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from reg2rg.batch.naming import without_names
from reg2rg.batch.remote import RemoteFile, download, list_files
from reg2rg.batch.source import Source
from reg2rg.errors import InputError
from reg2rg.pipeline.failures import as_failure
from reg2rg.runtime.staging import scratch_folder


@contextlib.contextmanager
def downloaded(source: Source) -> Iterator[Source]:
    """Provide a scan on this machine for the duration of a block. The download is removed, however the process ends.

    Raises:
        InputError: it cannot be downloaded, or the block raised an error, whose message may name the download.
    """
    if isinstance(source.path, Path) and not isinstance(source.masks, RemoteFile):
        yield source
        return
    local = source
    with scratch_folder() as folder:
        try:
            local = _download(source, folder)
            yield local
        except Exception as error:
            raise InputError(without_names(as_failure(error).message, local, {folder: "its folder"})) from error


def _download(source: Source, folder: Path) -> Source:
    path, masks, files = source.path, source.masks, source.files
    if isinstance(path, RemoteFile):
        remote = [file for file in source.listed().files if isinstance(file, RemoteFile)]
        is_file = [file.url for file in remote] == [path.url]
        names = [_neutral(path.name)] if is_file else [f"{number:06d}.dcm" for number in range(len(remote))]
        (folder / "scan").mkdir()
        targets = [folder / "scan" / name for name in names]
        download(remote, targets)
        path, files = targets[0] if is_file else folder / "scan", tuple(targets)
    if isinstance(masks, RemoteFile):
        remote = list_files(masks.url, below=False)
        (folder / "masks").mkdir()
        targets = [folder / "masks" / file.name for file in remote]  # their names are those of regions
        download(remote, targets)
        masks = targets[0] if [file.url for file in remote] == [masks.url] else folder / "masks"
    return replace(source, path=path, masks=masks, files=files)


def _neutral(name: str) -> str:
    """Return a name that says as much about a file's format as its own."""
    return "scan" + "".join(Path(name.lower()).suffixes[-2:])
