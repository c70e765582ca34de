"""The worker process as a front end sees it: commands in, events out, and nothing left behind when it is killed."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tiny_model import SENTENCES, tiny_model

from reg2rg.checkpoints.saving import save_model
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.pipeline import events
from reg2rg.pipeline.events import (
    Event,
    Failure,
    Heartbeat,
    Progress,
    Ready,
    ReportDone,
    SectionWritten,
    Stage,
    Stopped,
)

PATIENCE = 60.0
ENDS = (ReportDone, Failure, Stopped)


class WorkerProcess:
    """A worker with a temporary folder of its own, and what it has said."""

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
        self._watchdog = threading.Timer(PATIENCE, self.process.kill)
        self._watchdog.start()

    def send(self, command: str, **fields) -> None:
        self.write(json.dumps({"command": command, **fields}, default=str))

    def write(self, line: str) -> None:
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def until(self, wanted: type | tuple[type, ...] | Callable[[Event], bool]) -> list[Event]:
        """Events up to the first that is wanted; fails if the worker ends before."""
        seen = []
        for line in self.process.stdout:
            seen.append(events.from_dict(json.loads(line)))
            if isinstance(seen[-1], wanted) if isinstance(wanted, (type, tuple)) else wanted(seen[-1]):
                return seen
        raise AssertionError(f"the worker ended after {seen[-3:]}: {self.log.read_text()[-2000:]}")

    def end(self) -> int:
        """Wait for its end; the exit code."""
        code = self.process.wait(PATIENCE)
        self.close()
        return code

    def close(self) -> None:
        self._watchdog.cancel()
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., WorkerProcess]]:
    """Starts workers that are gone after the test."""
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
    """A run that ends well within seconds."""
    volume, regions = phantom_files
    return {"volume": volume, "regions_file": regions, "model": tiny_model_folder, "output": tmp_path / "Doe^John"}


@pytest.fixture
def slow(fields: dict, rambling_model_folder: Path) -> Callable[[Stage], dict]:
    """A run that stays in the given stage for a while."""
    takes_time = {
        Stage.SEGMENT: {"regions_file": None, "segmenter": "thresholds"},
        Stage.WRITE: {"model": rambling_model_folder},
    }
    return lambda stage: {**fields, **takes_time.get(stage, {})}


def resident_megabytes(process: subprocess.Popen) -> float:
    """Memory that a process holds."""
    fields = Path(f"/proc/{process.pid}/status").read_text()
    return int(fields.split("VmRSS:")[1].split()[0]) / 1000


def soon(condition: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether a condition comes true in time."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def in_stage(stage: Stage) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, Progress) and event.stage is stage


def contents(folder: Path) -> dict[str, bytes]:
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


class Shift:
    """What one worker said in a shift of bad commands, a run that fails, two runs that do not, and quit."""

    def __init__(self, folder: Path, run: dict) -> None:
        worker = WorkerProcess(folder)
        self.answers = []
        for line in BAD_COMMANDS:
            worker.write(line)
            self.answers.append(worker.until(Failure)[-1])
        worker.send("run", **{**run, "volume": folder / "nosuch.nii.gz"})
        self.failed = worker.until(ENDS)
        self.runs = []
        for _ in range(2):  # the second at once after the first
            worker.send("run", **run)
            self.runs.append(worker.until(ENDS))
        worker.send("quit")
        self.exit_code = worker.end()
        self.log = worker.log.read_text()
        self.left = list(worker.temporary.iterdir())


@pytest.fixture(scope="module")
def shift(phantom_files, tiny_model_folder: Path, tmp_path_factory) -> Shift:
    folder = tmp_path_factory.mktemp("shift")
    volume, regions = phantom_files
    output = folder / "Doe^John"
    return Shift(folder, {"volume": volume, "regions_file": regions, "model": tiny_model_folder, "output": output})


def test_bad_commands_are_answered_and_do_no_harm(shift: Shift) -> None:
    assert all(answer.scope == "command" and answer.exit_code == 2 for answer in shift.answers)


def test_a_failed_run_is_told_with_its_cause(shift: Shift) -> None:
    failure = shift.failed[-1]
    assert failure.scope == "run" and failure.exit_code == 2 and "nosuch.nii.gz does not exist" in failure.message


def test_several_runs_in_one_process_each_end_with_a_whole_report(shift: Shift) -> None:
    for run in shift.runs:
        assert isinstance(run[-1], ReportDone) and len(contents(Path(run[-1].folder))) == 4
        assert sum(isinstance(event, SectionWritten) for event in run) == 9
        assert sum(isinstance(event, ENDS) for event in run) == 1


def test_it_quits_when_told_and_leaves_no_temporary_files(shift: Shift) -> None:
    assert shift.exit_code == 0 and shift.left == []


def test_the_log_tells_stages_but_no_path_no_patient_and_no_text(shift: Shift, phantom_files) -> None:
    assert all(words in shift.log for words in ("stage: write", "ended well", "failed with InputError"))
    secrets = ("/", "Doe", "nosuch", phantom_files[0].name, SENTENCES.split(".")[0])
    assert not [secret for secret in secrets if secret in shift.log]


NOISY = """
import os, reg2rg.pipeline.run
quiet = reg2rg.pipeline.run.read_volume
def noisy(*arguments):
    print("from python", flush=True)
    os.write(1, b"from C\\n")
    os.system("echo from a child; cat")
    return quiet(*arguments)
reg2rg.pipeline.run.read_volume = noisy
from reg2rg.worker import main
main()
"""


def test_what_libraries_and_children_print_or_read_does_not_touch_the_stream(start, fields) -> None:
    worker = start(NOISY)
    worker.send("run", **fields)
    worker.send("cancel", x="a child that reads our input would swallow this")
    seen = worker.until(ReportDone)  # every line of it was JSON
    assert any(isinstance(event, Failure) and event.scope == "command" for event in seen)
    assert all(words in worker.log.read_text() for words in ("from python", "from C", "from a child"))


def test_it_beats_every_second_while_it_computes_and_takes_no_second_run(start, slow, fields) -> None:
    worker = start()
    times = []

    def listen(event: Event) -> bool:
        if isinstance(event, Heartbeat):
            times.append((time.monotonic(), event.running))
        return isinstance(event, ENDS) and event != refusal

    worker.send("run", **slow(Stage.SEGMENT))
    worker.send("run", **fields)
    refusal = worker.until(Failure)[-1]
    assert refusal.scope == "command" and "going on" in refusal.message
    assert isinstance(worker.until(listen)[-1], ReportDone)
    gaps = [b - a for (a, _), (b, _) in zip(times, times[1:], strict=False)]
    assert len(times) >= 3 and all(running for _, running in times) and max(gaps) < 3


def test_a_cancelled_run_stops_leaves_nothing_and_the_next_one_works(start, slow, fields) -> None:
    worker = start()
    for stage in (Stage.SEGMENT, Stage.WRITE):
        worker.send("run", **slow(stage))
        worker.until(in_stage(stage))
        worker.send("cancel")
        asked = time.monotonic()
        assert isinstance(worker.until(ENDS)[-1], Stopped)
        assert time.monotonic() - asked < 10
        assert not fields["output"].exists() and list(worker.temporary.iterdir()) == []
    worker.send("run", **fields)
    assert isinstance(worker.until(ENDS)[-1], ReportDone)


def test_it_ends_and_cleans_up_when_its_front_end_is_gone(start, slow, fields) -> None:
    worker = start()
    worker.send("run", **slow(Stage.SEGMENT))
    worker.until(in_stage(Stage.SEGMENT))
    worker.process.stdin.close()
    worker.process.stdout.close()
    assert worker.process.wait(15) in (0, 1)
    assert soon(lambda: not fields["output"].exists() and list(worker.temporary.iterdir()) == [])


@pytest.mark.parametrize("stage", [Stage.READ, Stage.SEGMENT, Stage.WRITE, Stage.SAVE])
def test_killed_in_any_stage_it_leaves_no_temporary_and_no_half_written_files(start, slow, fields, stage) -> None:
    earlier = fields["output"]
    earlier.mkdir()
    (earlier / "report.json").write_text("earlier")
    worker = start()
    worker.send("run", **slow(stage))
    worker.until(in_stage(stage))
    time.sleep(0.1)  # into the stage
    worker.process.send_signal(signal.SIGKILL)
    worker.process.wait()
    assert soon(lambda: list(worker.temporary.iterdir()) == [])
    assert soon(lambda: contents_are_whole(earlier)), sorted(earlier.iterdir())


def contents_are_whole(folder: Path) -> bool:
    """Either the earlier report alone, or the new one with all its files; no staging folder."""
    names = sorted(file.name for file in folder.iterdir())
    if names == ["report.json"]:
        return (folder / "report.json").read_text() == "earlier"
    return names == ["preview.png", "regions.seg.nrrd", "report.json", "report.txt"]


WITH_CHILD = """
import subprocess, sys, reg2rg.pipeline.run
def read_with_child(path, series):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (path.parent / "child").write_text(str(child.pid))
    child.wait()
reg2rg.pipeline.run.read_volume = read_with_child
from reg2rg.worker import main
main()
"""


def save_heavy_model(folder: Path) -> Path:
    """A model whose language model takes 270 MB."""
    tiny = tiny_model(taught=False)
    shape = dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=4)
    heavy = Reg2RG(dataclasses.replace(tiny.config, language=dataclasses.replace(tiny.config.language, **shape)))
    heavy.tokenizer = tiny.tokenizer
    save_model(heavy, folder, card="# heavy")
    return folder


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
@pytest.mark.parametrize("how", ["killed", "front end gone"])
def test_processes_it_has_started_end_with_it(start, fields, tmp_path, how) -> None:
    worker = start(WITH_CHILD)
    worker.send("run", **{**fields, "volume": tmp_path / "ct"})
    assert soon(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text() != "")
    child = Path("/proc", (tmp_path / "child").read_text())
    assert child.exists()
    worker.process.kill() if how == "killed" else worker.process.stdin.close()
    assert soon(lambda: not child.exists() or "\nState:\tZ" in (child / "status").read_text())


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_the_model_is_kept_for_the_next_run_and_given_back_when_idle(start, fields, tmp_path):
    heavy = save_heavy_model(tmp_path / "heavy")
    worker = start("from reg2rg import worker; worker.IDLE_SECONDS = 3.0; worker.main()")
    seconds = []
    for output in (tmp_path / "first", tmp_path / "second"):
        worker.send("run", **{**fields, "model": heavy, "output": output, "max_new_tokens": 2})
        assert isinstance(worker.until(ENDS)[-1], ReportDone)
        seconds.append(json.loads((output / "report.json").read_text())["provenance"]["stage_seconds"]["load"])
    assert seconds[1] < seconds[0] / 2
    held = resident_megabytes(worker.process)
    assert soon(lambda: "memory was given back" in worker.log.read_text(), 20)
    assert soon(lambda: resident_megabytes(worker.process) < held - 150)
