"""A Ray cluster that writes the report folders of a batch.

Tasks prepare cases on CPUs. Actors, which keep the model in memory, write the reports, on GPUs if there are any. Only
paths and outcomes pass through Ray. What is prepared waits in the output folder, which all machines share, and only as
much of it as the actors will soon need, so no memory grows with the number of cases.

Ray repeats nothing by itself. If a worker is lost, its case starts again in another folder, a few times at most.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import secrets
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from reg2rg.batch.engine import Engine, Job
from reg2rg.batch.places import Place, create, delete
from reg2rg.batch.records import RECORD_FILE, read_record
from reg2rg.batch.run_case import Outcome, finish, outcome_of, prepare
from reg2rg.batch.settings import Settings
from reg2rg.batch.source import Case
from reg2rg.errors import InputError, Reg2RGError
from reg2rg.runtime.third_party import configure_libraries

LOCAL = "local"
"""Address of a cluster that is started on this machine, and ends with the batch."""

ATTEMPTS = 3
"""How often a case is tried if the workers that do it are lost."""

_OBJECT_STORE_BYTES = 80 << 20  # the least that Ray accepts; no images pass through it
_GPU_SHARES = (0.4, 0.6)
"""Shares of a GPU that segmenting and writing take: one of each fits, but not two models."""

_Result = tuple[Outcome, float]
"""How a step ended, and how many seconds it took."""


class Cluster(Engine):
    """Writes report folders with the workers of a Ray cluster."""

    def __init__(self, settings: Settings, address: str, jobs: int, work: Place) -> None:
        """Connect to a cluster, or start one.

        Args:
            settings: the options of all cases.
            address: HOST:PORT of its head, "auto" for the one that runs on this machine, or "local" to start one.
            jobs: number of processes that prepare cases in a cluster that is started.
            work: a folder for what is prepared, which all machines see.

        Raises:
            InputError: Ray is not installed, or there is no such cluster.
        """
        super().__init__(_absolute(work))
        self._ray = _connect(address, jobs)
        self._settings = settings
        self._numbers = itertools.count()
        self._losses: Counter[str] = Counter()  # case ID -> how often its worker was lost
        self._failed_starts = 0
        self._again: deque[tuple[Case, Place]] = deque()
        self._preparing: dict[Any, Job] = {}
        self._prepared: deque[Job] = deque()
        self._starting: dict[Any, Any] = {}
        self._idle: list[Any] = []
        self._writing: dict[Any, tuple[Job, Any]] = {}
        gpus = self._resource("GPU") if settings.options.get("device") != "cpu" else 0
        segments = gpus and settings.options.get("segmenter") != "thresholds"
        writes = gpus and not settings.measure_only
        self._writers = gpus if writes else sum(node["Alive"] for node in self._ray.nodes())
        # Ray would give a task without a share of a GPU no GPU.
        self._prepare = self._ray.remote(num_cpus=1, num_gpus=_GPU_SHARES[0] if segments else 0, max_retries=0)(
            _prepare
        )
        self._writer = self._ray.remote(
            num_cpus=0, num_gpus=_GPU_SHARES[1] if writes else 0, max_restarts=0, scheduling_strategy="SPREAD"
        )(_Writer)
        self._metrics = _Metrics()

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._ray.shutdown()

    def _end_work(self) -> None:
        for task in self._preparing:
            self._ray.cancel(task, force=True)
        for writer in (*self._idle, *self._starting.values(), *(writer for _, writer in self._writing.values())):
            self._ray.kill(writer)
        for under_way in (self._again, self._preparing, self._prepared, self._starting, self._idle, self._writing):
            under_way.clear()

    def run(self, cases: Iterator[tuple[Case, Place]]) -> Iterator[tuple[Case, Outcome]]:
        """Write the report folders of cases, and yield each case as soon as it has ended.

        Args:
            cases: the cases with their report folders. The next one is asked for only when there is room for it.

        Raises:
            Reg2RGError: the workers cannot run at all.
        """
        while True:
            self._submit(cases)
            if not (self._preparing or self._prepared or self._writing):
                return
            self._start_writers()
            self._metrics.queues(preparing=len(self._preparing), prepared=len(self._prepared))
            (task, *_), _ = self._ray.wait([*self._preparing, *self._writing, *self._starting])
            for job, outcome in self._collect(task):
                yield job.case, outcome
                delete(job.folder)

    def _submit(self, cases: Iterator[tuple[Case, Place]]) -> None:
        """Give work to idle writers, and start tasks while there is room for what they will prepare."""
        while self._prepared and self._idle:
            job, writer = self._prepared.popleft(), self._idle.pop()
            self._writing[writer.write.remote(*self._arguments(job))] = job, writer
        limit = max(1, self._resource("CPU"))  # machines may come and go
        while len(self._preparing) < limit and len(self._prepared) < 2 * self._writers:
            following = self._again.popleft() if self._again else next(cases, None)
            if following is None:
                return
            case, output = following
            job = Job(case, _absolute(output), self._work / str(next(self._numbers)))
            create(job.folder)
            self._preparing[self._prepare.remote(*self._arguments(job))] = job

    def _start_writers(self) -> None:
        """Start the writers that are missing, at the beginning and when one was lost."""
        while len(self._starting) + len(self._idle) + len(self._writing) < self._writers:
            writer = self._writer.remote()
            self._starting[writer.start.remote()] = writer

    def _arguments(self, job: Job) -> tuple[object, ...]:
        return os.getcwd(), job, self._settings

    def _collect(self, task: Any) -> Iterator[tuple[Job, Outcome]]:
        """Take the result of a step that is done, and yield its case if it has ended."""
        if task in self._starting:
            writer = self._starting.pop(task)
            if self._result(task) is None:
                self._failed_starts += 1
                if self._failed_starts == ATTEMPTS * self._writers:
                    raise Reg2RGError("The Ray workers end as soon as they start; see the logs of Ray.")
            else:
                self._idle.append(writer)
            return
        if task in self._preparing:
            step, job = "prepare", self._preparing.pop(task)
            result = self._result(task)
        else:
            step, (job, writer) = "write", self._writing.pop(task)
            result = self._result(task)
            if result is not None:
                self._idle.append(writer)
        if result is None:
            yield from self._lose(job)
            return
        outcome, seconds = result
        self._metrics.step(step, seconds)
        if step == "prepare" and not outcome.cause:
            self._prepared.append(job)
        else:
            self._metrics.case(outcome)
            yield job, outcome

    def _result(self, task: Any) -> _Result | None:
        """Return the result of a step; None if its worker was lost.

        Raises:
            Reg2RGError: the worker cannot run the step.
        """
        from ray.exceptions import RayError, RayTaskError

        try:
            result: _Result = self._ray.get(task)
            return result
        except RayTaskError as error:  # steps return their failures, so this one never began
            raise Reg2RGError(
                f"A Ray worker cannot run reg2rg ({str(error).splitlines()[-1]}); install the same version on all "
                "machines, and choose an output folder that all of them see."
            ) from error
        except RayError:
            return None

    def _lose(self, job: Job) -> Iterator[tuple[Job, Outcome]]:
        """Start the case of a lost worker again, unless it had just finished it or was lost too often."""
        record = read_record(job.output / RECORD_FILE)
        if record is not None and record.content == job.case.content:
            self._metrics.case(Outcome())
            yield job, Outcome()
            return
        delete(job.folder)
        for leftover in job.output.glob(".reg2rg-*") if isinstance(job.output, Path) else ():
            delete(leftover)
        self._losses[job.case.id] += 1
        if self._losses[job.case.id] < ATTEMPTS:
            self._again.append((job.case, job.output))
            return
        outcome = Outcome(f"The process that worked on the scan was killed {ATTEMPTS} times; perhaps memory ran out.")
        self._metrics.case(outcome)
        yield job, outcome

    def _resource(self, name: str) -> int:
        return int(self._ray.cluster_resources().get(name, 0))


class _Writer:
    """The actor that writes reports. The cache of the pipeline keeps the model in its memory."""

    def start(self) -> _Result:
        """Show that the process is there."""
        return Outcome(), 0.0

    def write(self, directory: str, job: Job, settings: Settings) -> _Result:
        """Write the report of a prepared case."""
        return _step(finish, directory, job, settings)


def _absolute(place: Place) -> Place:
    return place.absolute() if isinstance(place, Path) else place


def _prepare(directory: str, job: Job, settings: Settings) -> _Result:
    """Prepare a case."""
    return _step(prepare, directory, job, settings)


def _step(
    step: Callable[[Case, Settings, Place, Place], None], directory: str, job: Job, settings: Settings
) -> _Result:
    """Do a step of a case as the process in ``directory`` would do it, to which relative paths of options refer."""
    started = time.monotonic()
    configure_libraries()
    with contextlib.suppress(OSError):
        os.chdir(directory)
    if isinstance(job.folder, Path) and not job.folder.is_dir():
        raise FileNotFoundError("the output folder is missing")
    try:
        step(job.case, settings, job.folder, job.output)
        outcome = Outcome()
    except Exception as error:
        outcome = outcome_of(error, job.case, job.folder, job.output)
    return outcome, time.monotonic() - started


def _connect(address: str, jobs: int) -> Any:
    """Return Ray, connected to a cluster."""
    if address not in (LOCAL, "auto"):
        _check_address(address)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    options: dict[str, Any] = {"address": address}
    if address == LOCAL:
        if "ray" not in sys.modules:  # which reads the variables only once
            # Ray listens on all interfaces, so others on the network need a token, which they do not have.
            os.environ.setdefault("RAY_AUTH_MODE", "token")
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        os.environ.setdefault("RAY_worker_niceness", "0")  # by default, other programs starve the workers
        options |= {
            "num_cpus": max(1, jobs),
            "include_dashboard": False,
            "object_store_memory": _OBJECT_STORE_BYTES,
        }
    try:
        import ray
    except ImportError as error:
        raise InputError(f"A cluster requires another package ({error}): pip install 'reg2rg[ray]'.") from error
    try:
        ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"No Ray cluster can be used at {address} ({reason}).") from error
    # A thread of Ray prints on standard output that a worker was lost. The batch counts these losses itself.
    ray._private.worker.print_to_stdstream = lambda *data, **options: None
    return ray


def _check_address(address: str) -> None:
    """Check that something answers at HOST:PORT. Ray itself would try for many minutes."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal() or int(port) > 65535:
        raise InputError(
            f"Unknown address {address!r}; expected HOST:PORT, auto or local, on a machine of the cluster."
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"Nothing answers at {address} ({reason}); start the cluster's head there with `ray start --head`."
        ) from error


class _Metrics:
    """What Ray's dashboard shows about a batch, if it runs."""

    def __init__(self) -> None:
        from ray.util.metrics import Counter as CounterMetric
        from ray.util.metrics import Gauge, Histogram

        self._cases = CounterMetric("reg2rg_cases", "Cases that have ended.", ("state",))
        self._seconds = Histogram(
            "reg2rg_stage_seconds", "Seconds per case.", [1, 2, 5, 10, 20, 50, 100, 200, 500], ("stage",)
        )
        self._queue = Gauge(
            "reg2rg_queue_length", "Cases that are being prepared, and prepared ones that wait.", ("queue",)
        )

    def case(self, outcome: Outcome) -> None:
        self._cases.inc(1, {"state": "failed" if outcome.cause else "finished"})

    def step(self, stage: str, seconds: float) -> None:
        self._seconds.observe(seconds, {"stage": stage})

    def queues(self, **lengths: int) -> None:
        for queue, length in lengths.items():
            self._queue.set(length, {"queue": queue})
