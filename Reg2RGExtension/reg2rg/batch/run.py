"""A whole batch: search the inputs, write the report folders that are missing, and then the index and the summary."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reg2rg.batch.arrivals import Arrivals
from reg2rg.batch.engine import Engine
from reg2rg.batch.entries import Entries
from reg2rg.batch.failures import DiskFull, is_disk_full
from reg2rg.batch.index import write_index
from reg2rg.batch.inputs import Inputs
from reg2rg.batch.places import Place
from reg2rg.batch.read_ahead import ReadAhead
from reg2rg.batch.remote_store import RemoteStore
from reg2rg.batch.run_case import Outcome
from reg2rg.batch.settings import Settings
from reg2rg.batch.source import Case, Source
from reg2rg.batch.store import Store
from reg2rg.batch.summary import write_summary
from reg2rg.errors import InputError
from reg2rg.runtime.callbacks import NoticeCallback
from reg2rg.runtime.folder_lock import locked_folder
from reg2rg.runtime.staging import scratch_folder

_DISK_FULL = "The disk is full; free some space, and run the command again to continue."

RESERVED_BYTES = 1 << 28
"""Free space without which the disk counts as full."""

POLL_SECONDS = 5.0
"""How often a folder that fills is searched."""


@dataclass(frozen=True)
class Watch:
    """How to watch a folder that fills.

    Attributes:
        quiet_seconds: how long nothing may have changed before a scan counts as complete.
        wait: waits for some seconds; returns True if the batch should end.
        clock: returns the time in seconds.
    """

    quiet_seconds: float
    wait: Callable[[float], bool]
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True)
class BatchProgress:
    """How far a batch is.

    Attributes:
        total: number of scans that were found.
        before: how many of them had been finished earlier, or have the content of another one.
        finished: how many have been finished by this run.
        failed: how many have failed in this run.
        seconds: run time so far.
        left_out: reasons why files and series were left out, to their number.
        last: ID of the case that has just ended, and why it failed; empty if it did not.
    """

    total: int = 0
    before: int = 0
    finished: int = 0
    failed: int = 0
    seconds: float = 0.0
    left_out: Counter[str] = field(default_factory=Counter)
    last: tuple[str, str] = ("", "")

    @property
    def ended(self) -> int:
        """Number of scans that need no more work in this run."""
        return self.before + self.finished + self.failed

    @property
    def cases_per_hour(self) -> float:
        """How many cases this run ends per hour."""
        return 3600 * (self.finished + self.failed) / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """How long the rest will take; None if that cannot be estimated yet."""
        rate = self.cases_per_hour / 3600
        return (self.total - self.ended) / rate if rate else None


def run_batch(
    inputs: Sequence[str],
    output: Place,
    settings: Settings,
    *,
    jobs: int,
    ray: str | None = None,
    watch: Watch | None = None,
    on_progress: Callable[[BatchProgress], None],
    on_notice: NoticeCallback,
) -> BatchProgress:
    """Write the report folders of all scans among the inputs, and an index and a summary of them.

    Args:
        inputs: folders, DICOM archives, globs, tables and scans.
        output: the output folder, also in a store. Cases in it that were finished with the same settings are kept.
        settings: the options of all cases.
        jobs: number of processes that prepare cases; 0 prepares them in this one.
        ray: address of a Ray cluster that does the work; see ``Cluster``. None does it on this machine.
        watch: how to watch the inputs for new scans. None ends when the present ones are done.
        on_progress: receives the progress after each case.
        on_notice: receives messages, one line each.

    Raises:
        InputError: the inputs contain no scan, another batch uses the folder, or it contains cases with other settings.
        DiskFull: the disk is full, and nobody waits for space.
    """
    searched = Inputs(inputs, output)
    with (
        _store(output, settings) as store,
        store.work_folder(shared=ray is not None) as work,
        _engine(settings, ray, jobs, work) as engine,
    ):
        batch = _Batch(store, engine, searched, on_progress, retry_changed=watch is not None)
        if watch is not None:
            _watch(batch, watch, on_notice)
        else:
            batch.run_all()
        return batch.progress


@contextmanager
def _store(output: Place, settings: Settings) -> Iterator[Store]:
    """Open the output folder."""
    if isinstance(output, Path):
        with locked_folder(output, "Another batch"):
            yield Store(output, settings)
    else:
        with scratch_folder() as copy:
            yield RemoteStore(output, copy, settings)


def _engine(settings: Settings, ray: str | None, jobs: int, work: Place) -> Engine:
    """Return what does the work."""
    if ray is None:
        return ReadAhead(settings, jobs, work)
    from reg2rg.batch.cluster import Cluster

    return Cluster(settings, ray, jobs, work)


def describe(left_out: Counter[str]) -> str:
    """Return what was left out, such as "localizer (2), reformat (1)"."""
    return ", ".join(f"{kind} ({count})" for kind, count in sorted(left_out.items()))


def _watch(batch: _Batch, watch: Watch, on_notice: NoticeCallback) -> None:
    """Take scans as soon as they are complete, until the user ends it."""
    arrivals, trouble = Arrivals(watch.quiet_seconds, watch.clock), ""
    batch.run(batch.new_sources(arrivals))  # what is wrong from the beginning is an error
    while not watch.wait(min(POLL_SECONDS, watch.quiet_seconds / 4)):
        try:
            batch.run(batch.new_sources(arrivals))
            trouble = ""
        except Exception as error:
            before, trouble = trouble, _passing_trouble(error)
            if not trouble:
                raise
            if trouble != before:
                on_notice(trouble)


def _passing_trouble(error: Exception) -> str:
    """Return what to tell the user if an error may pass; empty if it will not."""
    if is_disk_full(error):
        return "The disk is full; waiting until there is space."
    return f"{error} Trying again." if isinstance(error, InputError) else ""


class _Batch:
    """The state of a run."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        inputs: Inputs,
        on_progress: Callable[[BatchProgress], None],
        *,
        retry_changed: bool,
    ) -> None:
        """Start with nothing done.

        Args:
            store: the output folder.
            engine: writes the report folders.
            inputs: where the scans come from.
            on_progress: receives the progress after each case.
            retry_changed: whether a scan that changes while it is read is left for later, instead of a failure.
        """
        self._store = store
        self._engine = engine
        self._inputs = inputs
        self._on_progress = on_progress
        self._retry_changed = retry_changed
        self._ended: set[tuple[str, str]] = set()  # ID and content
        self._entries = Entries(store)
        self._has_index = False
        self.progress = BatchProgress()

    def run_all(self) -> None:
        """Write the report folders of all scans that are there now."""
        inventory = self._inputs.find()
        self._update(left_out=inventory.left_out)
        if not inventory.sources:
            left_out = describe(inventory.left_out)
            raise InputError(
                f"The inputs contain no CT{f', but {left_out}' if left_out else ''}; expected one or more."
            )
        self.run(inventory.sources)

    def new_sources(self, arrivals: Arrivals) -> list[Source]:
        """Return the complete scans that were not taken yet, or not finished by a run that was killed."""
        inventory = self._inputs.find()
        self._update(left_out=inventory.left_out)
        return [source for source in arrivals.complete(inventory.sources) if self._is_new(source)]

    def run(self, sources: Sequence[Source]) -> None:
        """Write the report folders that are missing, and then the index and the summary."""
        if not sources and self._has_index:
            return
        started = time.monotonic() - self.progress.seconds
        self._update(total=self.progress.ended + len(sources))
        try:
            for case, outcome in self._engine.run(self._missing(sources)):
                self._end(case, outcome)
                self._update(seconds=time.monotonic() - started)
                self._on_progress(self.progress)
        except Exception:
            self._engine.stop()
            raise
        finally:
            self._update(total=self.progress.ended, last=("", ""))
            self._write_index()

    def _write_index(self) -> None:
        self._store.mark_superseded()
        entries = self._entries.read()
        write_index(entries, self._store.root)
        write_summary(entries, self.progress.left_out, self._store.root)
        self._store.publish()
        self._has_index = True

    def _is_new(self, source: Source) -> bool:
        """Return whether a scan was never taken, has grown since, or was neither finished nor recorded as failed."""
        try:
            taken = self._store.case_taken(source.key, source.signature())
        except (OSError, InputError):  # a file has just been removed
            return False
        if taken is None:
            return True
        case = Case(taken.id, taken.content, taken.signature, source)
        if (case.id, case.content) not in self._ended and not self._is_finished(case):
            return True
        self._ended.add((case.id, case.content))
        return False

    def _is_finished(self, case: Case) -> bool:
        """Return whether a case is finished. A run that was killed may not have removed the record of its failure."""
        if not self._store.is_finished(case):
            return False
        self._store.forget_failure(case)
        return True

    def _missing(self, sources: Sequence[Source]) -> Iterator[tuple[Case, Place]]:
        """Yield the cases whose report folders are missing. Scans are hashed only when it is their turn."""
        under_way = set(self._ended)
        for source in sources:
            if shutil.disk_usage(self._store.root).free < RESERVED_BYTES:
                raise DiskFull(_DISK_FULL)
            case = self._read(source)
            self._store.take(case)
            if (case.id, case.content) in under_way or self._is_finished(case):
                self._update(before=self.progress.before + 1)
            else:
                under_way.add((case.id, case.content))
                yield case, self._store.place(case.id)

    def _read(self, source: Source) -> Case:
        """Return the case of a scan. Its files are not hashed again if they have not changed since an earlier run."""
        try:
            taken = self._store.case_taken(source.key, source.signature())
            if taken is not None and not source.problem:
                return Case(taken.id, taken.content, taken.signature, source)
            return source.read()
        except InputError as error:  # of a store
            return replace(source, problem=str(error)).read()
        except OSError as error:
            return replace(source, problem=f"{source.path} cannot be read ({error.strerror}).").read()

    def _end(self, case: Case, outcome: Outcome) -> None:
        """Record that a case is finished, or why it failed."""
        if outcome.disk_full or (outcome.cause and shutil.disk_usage(self._store.root).free < RESERVED_BYTES):
            raise DiskFull(_DISK_FULL)
        if outcome.scan_changed and self._retry_changed:
            return
        if outcome.cause:
            self._store.fail(case, outcome.cause)
            self._update(failed=self.progress.failed + 1, last=(case.id, outcome.cause))
        else:
            self._store.finish(case)
            self._update(finished=self.progress.finished + 1, last=(case.id, ""))
        self._ended.add((case.id, case.content))

    def _update(self, **values: Any) -> None:
        self.progress = replace(self.progress, **values)
