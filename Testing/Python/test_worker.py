"""The worker process from a front end's point of view: commands, events, and cleanup after it is killed."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from reports_under_review import STORED
from tiny_model import SENTENCES, tiny_model

from reg2rg.checkpoints.saving import save_model
from reg2rg.measurements import Evidence
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.pipeline import events
from reg2rg.pipeline.events import (
    Event,
    Failure,
    Heartbeat,
    Measured,
    Progress,
    Ready,
    ReportDone,
    SectionWritten,
    Stage,
    Stopped,
)
from reg2rg.runtime.dataclass_io import from_plain

pytestmark = pytest.mark.slow  # a worker takes seconds to start

TIMEOUT_SECONDS = 60.0
EARLIER = STORED / "schema_7.json"
FINAL_EVENTS = (ReportDone, Measured, Failure, Stopped)


class WorkerProcess:
    """A worker process with its own temporary folder and log."""

    def __init__(self, folder: Path, program: str = "from reg2rg.worker import main; main()") -> None:
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self.log = folder / "log"
        self.process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log.open("wb"),
            env={**os.environ, "TMPDIR": str(self.temporary), "OMP_NUM_THREADS": "1"},
        )
        self._watchdog = threading.Timer(TIMEOUT_SECONDS, self.process.kill)
        self._watchdog.start()

    def send(self, command: str, **fields) -> None:
        self.write(json.dumps({"command": command, **fields}, default=str))

    def write(self, line: str) -> None:
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def until(self, wanted: type | tuple[type, ...] | Callable[[Event], bool]) -> list[Event]:
        """Return the events up to and including the first wanted one; fail if the worker ends earlier."""
        received = []
        for line in self.process.stdout:
            received.append(events.from_dict(json.loads(line)))
            if isinstance(received[-1], wanted) if isinstance(wanted, (type, tuple)) else wanted(received[-1]):
                return received
        raise AssertionError(f"the worker ended after {received[-3:]}: {self.log.read_text()[-2000:]}")

    def end(self) -> int:
        """Wait for the process to end and return its exit code."""
        code = self.process.wait(TIMEOUT_SECONDS)
        self.close()
        return code

    def close(self) -> None:
        self._watchdog.cancel()
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[Callable[..., WorkerProcess]]:
    """Return a function that starts workers, which are killed after the test."""
    workers = []

    def make(*program: str) -> WorkerProcess:
        workers.append(WorkerProcess(tmp_path, *program))
        assert isinstance(workers[-1].until(Ready)[0], Ready)
        return workers[-1]

    yield make
    for worker in workers:
        worker.close()


@pytest.fixture
def fields(phantom_files, tiny_model_folder: Path, tmp_path: Path) -> dict:
    """Return the fields of a run that succeeds within seconds."""
    volume, regions = phantom_files
    return {"volume": volume, "regions_file": regions, "model": tiny_model_folder, "output": tmp_path / "Doe^John"}


@pytest.fixture(scope="module")
def slow_stages(untrained_model_folder: Path) -> dict[Stage, dict]:
    """Return stage -> the fields with which a run spends a while in it."""
    return {
        Stage.SEGMENT: {"regions_file": None, "segmenter": "thresholds"},
        Stage.WRITE: {"model": untrained_model_folder},
    }


@pytest.fixture
def slow_fields(fields: dict, slow_stages: dict[Stage, dict]) -> Callable[[Stage], dict]:
    """Return a function that gives the fields of a run that spends a while in the given stage."""
    return lambda stage: {**fields, **slow_stages.get(stage, {})}


def resident_megabytes(process: subprocess.Popen) -> float:
    """Return the resident memory of a process in megabytes."""
    fields = Path(f"/proc/{process.pid}/status").read_text()
    return int(fields.split("VmRSS:")[1].split()[0]) / 1000


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> bool:
    """Return whether a condition becomes true within a number of seconds."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def in_stage(stage: Stage) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, Progress) and event.stage is stage


def file_contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()} if folder.exists() else {}


BAD_COMMANDS = [
    "nonsense",
    "[1]",
    "{}",
    '{"command": "dance"}',
    '{"command": ["run"]}',
    '{"command": "cancel", "x": 1}',
    "",
]


NOISY = """
import os, reg2rg.pipeline.run
quiet = reg2rg.pipeline.run.read_volume_and_series
def noisy(*arguments):
    print("from python", flush=True)
    os.write(1, b"from C\\n")
    os.system("echo from a child; cat")
    return quiet(*arguments)
reg2rg.pipeline.run.read_volume_and_series = noisy
from reg2rg.worker import main
main()
"""


class Session:
    """The answers of one worker, with noisy libraries, to bad commands, runs that fail, succeed or stop, and quit."""

    def __init__(self, folder: Path, run: dict, slow: dict[Stage, dict]) -> None:
        worker = WorkerProcess(folder, NOISY)
        self.answers = []
        for line in BAD_COMMANDS:
            worker.write(line)
            self.answers.append(worker.until(Failure)[-1])
        worker.send("run", **{**run, "volume": folder / "nosuch.nii.gz"})
        self.failed = worker.until(FINAL_EVENTS)
        worker.send("run", **{**run, **slow[Stage.SEGMENT]})
        worker.send("run", **run)
        worker.send("cancel", x="a child that reads our input would swallow this")
        self.refusals = [worker.until(Failure)[-1] for _ in range(2)]
        self.heartbeats: list[tuple[float, bool]] = []
        self.slow_run = worker.until(self._ends_run)
        worker.send("run", **run)  # right after the other
        self.runs = [worker.until(FINAL_EVENTS)]
        self.stops = [self._cancel(worker, stage, {**run, **slow[stage]}) for stage in slow]
        worker.send("run", **run)
        self.runs.append(worker.until(FINAL_EVENTS))
        worker.send("quit")
        self.exit_code = worker.end()
        self.log = worker.log.read_text()
        self.leftover_files = list(worker.temporary.iterdir())

    def _ends_run(self, event: Event) -> bool:
        if isinstance(event, Heartbeat):
            self.heartbeats.append((time.monotonic(), event.running))
        return isinstance(event, FINAL_EVENTS)

    @staticmethod
    def _cancel(worker: WorkerProcess, stage: Stage, run: dict) -> Stop:
        before = file_contents(run["output"])
        worker.send("run", **run)
        worker.until(in_stage(stage))
        worker.send("cancel")
        canceled = time.monotonic()
        event = worker.until(FINAL_EVENTS)[-1]
        seconds = time.monotonic() - canceled
        return Stop(event, seconds, file_contents(run["output"]) == before, list(worker.temporary.iterdir()))


@dataclasses.dataclass
class Stop:
    """How a canceled run ended: its last event, the seconds until then, and what it left behind."""

    event: Event
    seconds: float
    output_is_unchanged: bool
    temporary_files: list[Path]


@pytest.fixture(scope="module")
def session(phantom_files, tiny_model_folder: Path, slow_stages: dict[Stage, dict], tmp_path_factory) -> Session:
    folder = tmp_path_factory.mktemp("session")
    volume, regions = phantom_files
    output = folder / "Doe^John"
    run = {"volume": volume, "regions_file": regions, "model": tiny_model_folder, "output": output}
    return Session(folder, run, slow_stages)


def test_bad_commands_are_answered_with_a_failure(session: Session) -> None:
    assert all(answer.scope == "command" and answer.exit_code == 2 for answer in session.answers)


def test_a_failed_run_reports_its_cause(session: Session) -> None:
    failure = session.failed[-1]
    assert failure.scope == "run" and failure.exit_code == 2 and "nosuch.nii.gz does not exist" in failure.message


def test_several_runs_in_one_process_each_write_a_complete_report(session: Session) -> None:
    for run in session.runs:
        assert isinstance(run[-1], ReportDone) and len(file_contents(Path(run[-1].folder))) == 5
        assert sum(isinstance(event, SectionWritten) for event in run) == 9
        assert sum(isinstance(event, FINAL_EVENTS) for event in run) == 1


def test_quit_ends_the_worker_and_leaves_no_temporary_files(session: Session) -> None:
    assert session.exit_code == 0 and session.leftover_files == []


def test_the_log_names_stages_but_no_path_patient_or_text(session: Session, phantom_files) -> None:
    assert all(text in session.log for text in ("stage: write", "run succeeded", "failed with InputError"))
    secrets = ("/", "Doe", "nosuch", phantom_files[0].name, SENTENCES.split(".")[0])
    assert not [secret for secret in secrets if secret in session.log]


def test_libraries_and_child_processes_cannot_disturb_the_event_stream(session: Session) -> None:
    """Session fails on a line that is not JSON, and without the answer to each of its commands."""
    assert session.refusals[1].scope == "command"
    assert all(text in session.log for text in ("from python", "from C", "from a child"))


def test_a_busy_worker_sends_heartbeats_and_refuses_a_second_run(session: Session) -> None:
    refusal, times = session.refusals[0], session.heartbeats
    assert refusal.scope == "command" and "in progress" in refusal.message
    assert isinstance(session.slow_run[-1], ReportDone)
    gaps = [b - a for (a, _), (b, _) in zip(times, times[1:], strict=False)]
    assert len(times) >= 3 and all(running for _, running in times) and max(gaps) < 3


def test_a_canceled_run_stops_changes_no_files_and_allows_another_run(session: Session) -> None:
    assert len(session.stops) == 2
    for stop in session.stops:
        assert isinstance(stop.event, Stopped) and stop.seconds < 10
        assert stop.output_is_unchanged and stop.temporary_files == []


def test_a_volume_is_measured_without_a_model(start_worker, fields) -> None:
    worker = start_worker()
    request = {name: value for name, value in fields.items() if name != "model"}
    worker.send("measure", **request)
    received = worker.until(FINAL_EVENTS)
    done = received[-1]
    assert isinstance(done, Measured), done
    assert any(isinstance(event, Progress) and event.stage is Stage.MEASURE for event in received)
    evidence = from_plain(Evidence, done.evidence, "evidence")
    assert any(each.value for each in evidence.of("lung"))
    assert set(done.regions["lung"]) == {"volume_ml", "mean_hu"} and done.regions["lung"]["volume_ml"] > 0
    assert (Path(done.folder) / "structures.seg.nrrd").exists()
    worker.send("measure", **fields)
    refusal = worker.until(Failure)[-1]
    assert refusal.scope == "command" and "model" in refusal.message


def test_the_worker_exits_and_cleans_up_when_its_front_end_is_gone(start_worker, slow_fields, fields) -> None:
    worker = start_worker()
    worker.send("run", **slow_fields(Stage.SEGMENT))
    worker.until(in_stage(Stage.SEGMENT))
    worker.process.stdin.close()
    worker.process.stdout.close()
    assert worker.process.wait(15) in (0, 1)
    assert wait_for(lambda: not fields["output"].exists() and list(worker.temporary.iterdir()) == [])


@pytest.mark.parametrize("stage", [Stage.READ, Stage.SEGMENT, Stage.WRITE, Stage.SAVE])
def test_a_worker_killed_in_any_stage_leaves_no_temporary_or_partial_files(
    start_worker, slow_fields, fields, stage
) -> None:
    earlier = fields["output"]
    earlier.mkdir()
    shutil.copyfile(EARLIER, earlier / "report.json")
    worker = start_worker()
    worker.send("run", **slow_fields(stage))
    worker.until(in_stage(stage))
    time.sleep(0.1)  # let the stage begin
    worker.process.kill()
    worker.process.wait()
    assert wait_for(lambda: list(worker.temporary.iterdir()) == [])
    assert wait_for(lambda: holds_one_complete_report(earlier)), sorted(earlier.iterdir())


def holds_one_complete_report(folder: Path) -> bool:
    """Return whether a folder holds only the earlier report or only the complete new one."""
    names = sorted(file.name for file in folder.iterdir())
    if names == ["report.json"]:
        return (folder / "report.json").read_text() == EARLIER.read_text()
    return names == ["preview.png", "regions.seg.nrrd", "report.json", "report.txt", "structures.seg.nrrd"]


WITH_CHILD = """
import subprocess, sys, reg2rg.pipeline.run
def read_with_child(path, *options):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (path.parent / "child").write_text(str(child.pid))
    child.wait()
reg2rg.pipeline.run.read_volume_and_series = read_with_child
from reg2rg.worker import main
main()
"""


def save_heavy_model(folder: Path) -> Path:
    """Save a model whose language model takes 270 MB, and return its folder."""
    tiny = tiny_model(trained=False)
    shape = dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=4)
    heavy = Reg2RG(dataclasses.replace(tiny.config, language=dataclasses.replace(tiny.config.language, **shape)))
    heavy.tokenizer = tiny.tokenizer
    save_model(heavy, folder, card="# heavy")
    return folder


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are read from /proc")
@pytest.mark.parametrize("cause", ["killed", "front end gone"])
def test_child_processes_end_with_the_worker(start_worker, fields, tmp_path, cause) -> None:
    worker = start_worker(WITH_CHILD)
    worker.send("run", **{**fields, "volume": tmp_path / "ct"})
    assert wait_for(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text() != "")
    child = Path("/proc", (tmp_path / "child").read_text())
    assert child.exists()
    worker.process.kill() if cause == "killed" else worker.process.stdin.close()
    assert wait_for(lambda: not child.exists() or "\nState:\tZ" in (child / "status").read_text())


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_the_model_stays_loaded_for_the_next_run_and_is_released_when_idle(start_worker, fields, tmp_path):
    heavy = save_heavy_model(tmp_path / "heavy")
    worker = start_worker("from reg2rg import worker; worker.IDLE_SECONDS = 3.0; worker.main()")
    seconds = []
    for output in (tmp_path / "first", tmp_path / "second"):
        worker.send("run", **{**fields, "model": heavy, "output": output, "max_new_tokens": 2})
        assert isinstance(worker.until(FINAL_EVENTS)[-1], ReportDone)
        seconds.append(json.loads((output / "report.json").read_text())["provenance"]["stage_seconds"]["load"])
    assert seconds[1] < seconds[0] / 2
    held = resident_megabytes(worker.process)
    assert wait_for(lambda: "released the model" in worker.log.read_text(), 20)
    assert wait_for(lambda: resident_megabytes(worker.process) < held - 150)
