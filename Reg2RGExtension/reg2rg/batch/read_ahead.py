"""Processes that prepare the next cases while this one writes a report.

At most ``jobs + 1`` cases are under way, and prepared ones wait on disk, so memory does not grow with their number.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess

from reg2rg.batch.engine import Engine, Job
from reg2rg.batch.places import Place, create, delete
from reg2rg.batch.run_case import Outcome, finish, outcome_of, prepare
from reg2rg.batch.settings import Settings
from reg2rg.batch.source import Case
from reg2rg.errors import Reg2RGError
from reg2rg.runtime.cores import limited_torch_threads, threads_of_each
from reg2rg.runtime.staging import kill_children_on_exit
from reg2rg.runtime.third_party import configure_libraries

MAXIMUM_JOBS = 4
"""Default limit of the number of processes; each may need 2 GB."""


def default_jobs() -> int:
    """Return how many processes prepare cases unless the user chooses: one per core, but not many."""
    return min(MAXIMUM_JOBS, os.cpu_count() or 1)


class ReadAhead(Engine):
    """Prepares cases in other processes, or in this one if there are to be no others, and writes their reports here."""

    def __init__(self, settings: Settings, jobs: int, work: Place) -> None:
        """Start no process yet.

        Args:
            settings: the options of all cases.
            jobs: number of processes; 0 prepares cases in this one.
            work: an existing folder for what is prepared.
        """
        super().__init__(work)
        self._settings = settings
        self._jobs = jobs
        self._threads = threads_of_each(jobs + 1)
        self._pool: ProcessPoolExecutor | None = None
        self._other_processes: set[BaseProcess] = set()
        self._numbers = itertools.count()

    def _end_work(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
            for process in set(multiprocessing.active_children()) - self._other_processes:
                process.kill()
                process.join()

    def run(self, cases: Iterator[tuple[Case, Place]]) -> Iterator[tuple[Case, Outcome]]:
        """Write the report folders of cases, and yield each case as soon as it has ended.

        Args:
            cases: the cases with their report folders. The next one is asked for only when there is room for it.
        """
        for job, error in self.prepare(cases):
            try:
                if error is not None:
                    raise error
                with self._limited_threads():
                    finish(job.case, self._settings, job.folder, job.output)
                outcome = Outcome()
            except Exception as reason:
                outcome = outcome_of(reason, job.case, job.folder, job.output)
            yield job.case, outcome
            delete(job.folder)

    def _limited_threads(self) -> contextlib.AbstractContextManager[None]:
        """Leave the cores that it needs to the other processes. Measurements are finished without torch."""
        return contextlib.nullcontext() if self._settings.measure_only else limited_torch_threads(self._threads)

    def prepare(self, cases: Iterator[tuple[Case, Place]]) -> Iterator[tuple[Job, BaseException | None]]:
        """Prepare cases, and yield each as soon as it is prepared, or with the error if it cannot be.

        Args:
            cases: the cases with their report folders. The next one is asked for only when there is room for it.
        """
        under_way: dict[Future[None], Job] = {}
        # Cases that were under way when a process died. One at a time, they show whose fault it was.
        suspects: deque[tuple[Case, Place]] = deque()
        suspected: set[Case] = set()
        while True:
            while len(under_way) < (1 if suspects else self._jobs + 1):
                following = suspects.popleft() if suspects else next(cases, None)
                if following is None:
                    break
                job = Job(*following, self._work / str(next(self._numbers)))
                create(job.folder)
                under_way[self._submit(job)] = job
            if not under_way:
                return
            done = wait(under_way, return_when=FIRST_COMPLETED).done
            if any(map(_is_broken, done)):
                wait(under_way)  # the others end with the pool, or in the next one
                broken = [future for future in under_way if _is_broken(future)]
                jobs = [under_way.pop(future) for future in broken]
                if len(jobs) == 1 and jobs[0].case in suspected:
                    message = "The process that prepared the scan was killed twice; perhaps memory ran out."
                    yield jobs[0], Reg2RGError(message)
                else:
                    suspects += ((job.case, job.output) for job in jobs)
                    suspected.update(job.case for job in jobs)
                    for job in jobs:
                        delete(job.folder)
                continue
            # One at a time, the oldest first: while it is used, the processes prepare the case that takes its place.
            oldest = next(future for future in under_way if future in done)
            yield under_way.pop(oldest), oldest.exception()

    def _submit(self, job: Job) -> Future[None]:
        arguments = job.case, self._settings, job.folder, job.output
        if self._jobs == 0:
            future: Future[None] = Future()
            try:
                prepare(*arguments)
                future.set_result(None)
            except Exception as error:
                future.set_exception(error)
            return future
        if self._pool is None:
            # Not by forking: torch and ITK have threads, which a forked process would lack.
            context = multiprocessing.get_context("spawn")
            self._other_processes = set(multiprocessing.active_children())
            self._pool = ProcessPoolExecutor(self._jobs, context, _start_process, (self._threads,))
        try:
            with _blocked_sigint():
                return self._pool.submit(prepare, *arguments)
        except BrokenProcessPool:  # a process has died meanwhile; this case was not in it
            self._pool = None
            return self._submit(job)


def _is_broken(future: Future[None]) -> bool:
    return isinstance(future.exception(), BrokenProcessPool)


def _start_process(threads: int) -> None:
    """Prepare a new process: it shares the cores with the others, and ends when its parent does."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    configure_libraries()
    kill_children_on_exit()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextlib.contextmanager
def _blocked_sigint() -> Iterator[None]:
    """Let processes that start in the block ignore Ctrl-C, which the terminal sends to them as well."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
