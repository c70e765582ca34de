"""An output folder in a store, with a copy on this machine of what the index and the summary need."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from reg2rg.batch.index import INDEX_FILE
from reg2rg.batch.places import Place
from reg2rg.batch.records import RECORD_FILE
from reg2rg.batch.remote import RemoteFile, download, list_folder, remove, upload
from reg2rg.batch.settings import Settings
from reg2rg.batch.source import Case
from reg2rg.batch.store import SOURCES_FILE, Store
from reg2rg.batch.summary import SUMMARY_FILE
from reg2rg.errors import InputError

_NEEDED = (".json", ".jpg", ".csv")
"""Files of which the copy has the content; of others, it has only the names."""

_OWN = (f"cases/*/{RECORD_FILE}", "failed/*.json", SOURCES_FILE, INDEX_FILE, SUMMARY_FILE)
"""Files that are changed in the copy and then published."""

_WORK = ".reg2rg-work"


class RemoteStore(Store):
    """The output folder of a batch in a store. Nothing locks it, so one batch at a time must use it."""

    def __init__(self, place: RemoteFile, copy: Path, settings: Settings) -> None:
        """Open an output folder, and remove what a crash has left unfinished.

        Args:
            place: the folder in the store.
            copy: an empty folder for the copy.
            settings: the options of all cases.

        Raises:
            InputError: the store cannot be used, or the folder contains cases with other settings.
        """
        self._place = place
        self._check_access(copy / _WORK)
        self._fetch(list_folder(place), copy)
        super().__init__(copy, settings)
        self._published = self._own()

    def place(self, case_id: str) -> Place:
        """Return where the report folder of a case is written to."""
        return self._place / "cases" / case_id

    @contextmanager
    def work_folder(self, *, shared: bool) -> Iterator[Place]:
        """Provide a folder for what is prepared; in the store if other machines need it."""
        if not shared:
            with super().work_folder(shared=False) as folder:
                yield folder
            return
        try:
            yield self._place / _WORK
        finally:
            remove(self._place / _WORK)

    def finish(self, case: Case) -> None:
        """Copy what the index needs of a report folder that is complete."""
        self._fetch(list_folder(self._place / "cases" / case.id), self.root)
        record = f"cases/{case.id}/{RECORD_FILE}"
        self._published[record] = _hash(self.root / record)
        super().finish(case)

    def publish(self) -> None:
        """Upload what has changed in the copy."""
        own = self._own()
        changed = [name for name in own if self._published.get(name) != own[name]]
        upload([self.root / name for name in changed], [self._place / name for name in changed])
        for name in self._published.keys() - own.keys():
            remove(self._place / name)
        self._published = own

    def _check_access(self, probe: Path) -> None:
        """Write a file and remove it, so that who must not write learns it now, and not after the first case."""
        probe.touch()
        try:
            upload([probe], [self._place / _WORK / "probe"])
        except InputError as error:
            raise InputError(f"Nothing can be written to {self._place}: {error}") from error
        probe.unlink()
        remove(self._place / _WORK)

    def _own(self) -> dict[str, str]:
        """Return the names of the files that are published, and the hashes of their content."""
        files = [file for pattern in _OWN for file in sorted(self.root.glob(pattern))]
        return {file.relative_to(self.root).as_posix(): _hash(file) for file in files}

    def _fetch(self, files: Sequence[RemoteFile], copy: Path) -> None:
        """Copy files of the output folder, or only their names."""
        names = {file: PurePosixPath(file.url[len(self._place.url) :].lstrip("/")) for file in files}
        targets = {file: copy / name for file, name in names.items() if ".." not in name.parts}
        for target in targets.values():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        needed = [file for file in targets if file.name.endswith(_NEEDED)]
        download(needed, [targets[file] for file in needed])


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
