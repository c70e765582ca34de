"""The output folder: report folders, records of failures, and the list of sources.

cases/ID/       the report folder of a case; case.json in it says that the case is finished
failed/ID.json  why a case has failed
sources.csv     the files that each case was made from
index.csv, summary.html
"""

from __future__ import annotations

import csv
import io
import shutil
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from reg2rg.batch.places import Place
from reg2rg.batch.records import RECORD_FILE, CaseRecord, read_record, replace_text, write_record
from reg2rg.batch.settings import Settings
from reg2rg.batch.source import Case, key_of
from reg2rg.errors import InputError
from reg2rg.runtime.csv_output import write_csv
from reg2rg.runtime.dataclass_io import from_plain
from reg2rg.runtime.staging import scratch_folder

SOURCES_FILE = "sources.csv"


@dataclass(frozen=True)
class Taken:
    """A row of the list of sources: a scan that was taken, as it was then.

    Attributes:
        id: ID of the case that it became.
        path: the volume file, or the folder of the series.
        series: instance UID of the series; empty if it is a file.
        name: ID from the table; empty if there was none.
        content: hash of the content of its files.
        signature: hash of the names, sizes and times of its files.
        number: how many rows had been written before. Clocks jump, so the order is not that of a time.
    """

    id: str
    path: str
    series: str
    name: str
    content: str
    signature: str
    number: int

    @property
    def key(self) -> tuple[str, str]:
        """The key of the source."""
        return key_of(self.path, self.series, self.name)


_COLUMNS = tuple(field.name for field in fields(Taken))


class Store:
    """The output folder of a batch. The caller holds its lock."""

    def __init__(self, root: Path, settings: Settings) -> None:
        """Open an output folder, and remove what a crash of the machine has left unfinished.

        Raises:
            InputError: the folder contains cases with other settings.
        """
        self.root = root
        self.identity = settings.identity
        for leftover in (*root.glob(".reg2rg-*"), *root.glob("cases/*/.reg2rg-*")):
            shutil.rmtree(leftover, ignore_errors=True)
        self._taken: dict[tuple[str, tuple[str, str]], Taken] = {}
        self._by_files: dict[tuple[tuple[str, str], str], Taken] = {}
        self._last_number = 0
        for row in self._read_sources():
            self._remember(row)
        for record in self.records():
            self._refuse_other_settings(record)

    def folder(self, case_id: str) -> Path:
        """Return the report folder of a case."""
        return self.root / "cases" / case_id

    def place(self, case_id: str) -> Place:
        """Return where the report folder of a case is written to."""
        return self.folder(case_id)

    @contextmanager
    def work_folder(self, *, shared: bool) -> Iterator[Place]:
        """Provide a folder for what is prepared.

        Args:
            shared: whether other machines need it.
        """
        with scratch_folder(inside=self.root) as folder:
            yield folder

    def publish(self) -> None:
        """Make what has changed visible to others, if that is another step."""

    def records(self) -> Iterator[CaseRecord]:
        """Yield the records of all cases in the order of their IDs; that of its failure if a case has failed since."""
        finished = {path.parent.name: path for path in self.root.glob(f"cases/*/{RECORD_FILE}")}
        failed = {path.stem: path for path in self.root.glob("failed/*.json")}
        for case_id in sorted({*finished, *failed}):
            for path in (failed.get(case_id), finished.get(case_id)):
                record = None if path is None else read_record(path)
                if record is not None and record.id == case_id:  # not damaged, nor of a folder that was copied
                    yield record
                    break

    def is_finished(self, case: Case) -> bool:
        """Return whether the report folder of a case was made from the same content."""
        record = read_record(self.folder(case.id) / RECORD_FILE)
        return record is not None and (record.id, record.content) == (case.id, case.content)

    def finish(self, case: Case) -> None:
        """Learn that a report folder is complete."""
        self.forget_failure(case)

    def forget_failure(self, case: Case) -> None:
        """Forget that a case had failed before it was finished."""
        self._failed(case.id).unlink(missing_ok=True)

    def fail(self, case: Case, cause: str) -> None:
        """Record why a case has failed."""
        write_record(CaseRecord(case.id, case.content, self.identity, cause), self._failed(case.id))

    def case_taken(self, key: tuple[str, str], signature: str) -> Taken | None:
        """Return what a scan became when its files were the same; None if it was not taken."""
        return self._by_files.get((key, signature))

    def take(self, case: Case) -> None:
        """List the files of a case."""
        source = case.source
        number = self._last_number + 1
        row = Taken(case.id, str(source.path), source.series, source.name, case.content, case.signature, number)
        earlier = self._taken.get((row.id, row.key))
        if earlier is not None and earlier.signature == row.signature:
            return
        self._remember(row)
        path = self.root / SOURCES_FILE
        with path.open("a", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            write_csv(stream, [_COLUMNS] * (stream.tell() == 0) + [asdict(row).values()])

    def mark_superseded(self) -> None:
        """Mark the cases of scans that have grown since, and sort the list of sources."""
        versions = defaultdict(list)
        for row in sorted(self._taken.values(), key=lambda row: row.number):
            versions[row.key].append(row.id)
        newest = {ids[-1] for ids in versions.values()}
        for ids in versions.values():
            for case_id in ids if len(ids) > 1 else ():
                self._mark(case_id, "" if case_id in newest else ids[-1])
        self._write_sources()

    def _remember(self, row: Taken) -> None:
        self._taken[row.id, row.key] = row
        self._by_files[row.key, row.signature] = row
        self._last_number = max(self._last_number, row.number)

    def _mark(self, case_id: str, newer: str) -> None:
        for path in (self.folder(case_id) / RECORD_FILE, self._failed(case_id)):
            record = read_record(path)
            if record is not None and record.superseded_by != newer:
                write_record(replace(record, superseded_by=newer), path)

    def _failed(self, case_id: str) -> Path:
        return self.root / "failed" / f"{case_id}.json"

    def _refuse_other_settings(self, record: CaseRecord) -> None:
        used = [name for name in self.identity if name in record.settings]  # not options of later versions
        different = [name for name in used if record.settings[name] != self.identity[name]]
        if different:
            listed = ", ".join(
                f"{name} {record.settings[name]!r} instead of {self.identity[name]!r}" for name in different[:3]
            )
            raise InputError(
                f"{self.root} contains cases with other settings ({listed}); use the same, or choose another folder."
            )

    def _read_sources(self) -> Iterator[Taken]:
        """Yield the rows of the list of sources, except a last one that a crash has cut off."""
        try:
            text = (self.root / SOURCES_FILE).read_text(encoding="utf-8", errors="surrogateescape")
        except FileNotFoundError:
            return
        for values in csv.reader(io.StringIO(text, newline="")):
            if len(values) == len(_COLUMNS) and values[-1].isdigit():
                row = dict(zip(_COLUMNS, values, strict=True))
                yield from_plain(Taken, {**row, "number": int(values[-1])}, SOURCES_FILE)

    def _write_sources(self) -> None:
        stream = io.StringIO(newline="")
        rows = sorted(self._taken.values(), key=lambda row: (row.id, row.path, row.series))
        write_csv(stream, [_COLUMNS, *(asdict(row).values() for row in rows)])
        replace_text(self.root / SOURCES_FILE, stream.getvalue())
