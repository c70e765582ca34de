"""The worker process as a front end sees it: commands in, events out, and nothing left behind when it is killed."""

from __future__ import annotations

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
from tiny_model import SENTENCES

from reg2rg import events
from reg2rg.events import Event, Failure, Heartbeat, Progress, Ready, ReportDone, SectionWritten, Stage, Stopped

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
        self.write(
            json.dumps({"command": command, **{k: str(v) if isinstance(v, Path) else v for k, v in fields.items()}})
        )

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
def slow(fields: dict, rambling_model_folder: Path) -> dict:
    """A run that takes a while to segment and to write."""
    return {**fields, "regions_file": None, "segmenter": "thresholds", "model": rambling_model_folder}


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


def test_one_worker_does_runs_and_survives_bad_commands_and_failed_runs(start, fields, tmp_path) -> None:
    worker = start()
    bad = ["nonsense", "[1]", "{}", '{"command": "dance"}', '{"command": ["run"]}', '{"command": "cancel", "x": 1}', ""]
    for line in bad:
        worker.write(line)
        failure = worker.until(Failure)[-1]
        assert failure.of == "command" and failure.exit_code == 2
    worker.send("run", **{**fields, "volume": tmp_path / "nosuch.nii.gz"})
    failure = worker.until(ENDS)[-1]
    assert failure.of == "run" and failure.exit_code == 2 and "nosuch.nii.gz does not exist" in failure.message
    for _ in range(2):  # the second at once after the first
        worker.send("run", **fields)
        seen = worker.until(ENDS)
        assert seen[-1].folder == str(fields["output"])
        assert sum(isinstance(event, SectionWritten) for event in seen) == 9
    assert len(contents(fields["output"])) == 4
    worker.send("quit")
    assert worker.end() == 0
    assert list(worker.temporary.iterdir()) == []


def test_the_log_tells_stages_but_no_path_no_patient_and_no_text(start, fields, tmp_path) -> None:
    worker = start()
    worker.send("run", **fields)
    worker.until(ReportDone)
    worker.send("run", **{**fields, "volume": tmp_path / "nosuch.nii.gz"})
    worker.until(Failure)
    worker.send("quit")
    worker.end()
    log = worker.log.read_text()
    assert "stage: write" in log and "ended well" in log and "failed with InputError" in log
    for secret in (str(tmp_path), "Doe", "nosuch", fields["volume"].name, SENTENCES.split(".")[0]):
        assert secret not in log


NOISY = """
import os, reg2rg.pipeline
quiet = reg2rg.pipeline.read_volume
def noisy(*arguments):
    print("from python", flush=True)
    os.write(1, b"from C\\n")
    os.system("echo from a child; cat")
    return quiet(*arguments)
reg2rg.pipeline.read_volume = noisy
from reg2rg.worker import main
main()
"""


def test_what_libraries_and_children_print_or_read_does_not_touch_the_stream(start, fields) -> None:
    worker = start(NOISY)
    worker.send("run", **fields)
    worker.send("cancel", x="a child that reads our input would swallow this")
    seen = worker.until(ReportDone)  # every line of it was JSON
    assert any(isinstance(event, Failure) and event.of == "command" for event in seen)
    assert all(words in worker.log.read_text() for words in ("from python", "from C", "from a child"))


def test_it_beats_every_second_while_it_computes_and_takes_no_second_run(start, slow) -> None:
    worker = start()
    times = []

    def listen(event: Event) -> bool:
        if isinstance(event, Heartbeat):
            times.append((time.monotonic(), event.running))
        return isinstance(event, ENDS) and event != refusal

    worker.send("run", **slow)
    worker.send("run", **slow)
    refusal = worker.until(Failure)[-1]
    assert refusal.of == "command" and "going on" in refusal.message
    assert isinstance(worker.until(listen)[-1], ReportDone)
    gaps = [b - a for (a, _), (b, _) in zip(times, times[1:], strict=False)]
    assert len(times) >= 3 and all(running for _, running in times) and max(gaps) < 3


@pytest.mark.parametrize("stage", [Stage.SEGMENT, Stage.WRITE])
def test_a_cancelled_run_stops_leaves_nothing_and_the_next_one_works(start, slow, fields, stage) -> None:
    worker = start()
    worker.send("run", **slow)
    worker.until(in_stage(stage))
    worker.send("cancel")
    asked = time.monotonic()
    assert isinstance(worker.until(ENDS)[-1], Stopped)
    assert time.monotonic() - asked < 10
    assert not slow["output"].exists() and list(worker.temporary.iterdir()) == []
    worker.send("run", **fields)
    assert isinstance(worker.until(ENDS)[-1], ReportDone)


def test_it_ends_and_cleans_up_when_its_front_end_is_gone(start, slow) -> None:
    worker = start()
    worker.send("run", **slow)
    worker.until(in_stage(Stage.SEGMENT))
    worker.process.stdin.close()
    worker.process.stdout.close()
    assert worker.process.wait(15) in (0, 1)
    assert soon(lambda: not slow["output"].exists() and list(worker.temporary.iterdir()) == [])


@pytest.mark.parametrize("stage", list(Stage))
def test_killed_in_any_stage_it_leaves_no_temporary_and_no_half_written_files(start, slow, stage) -> None:
    earlier = slow["output"]
    earlier.mkdir()
    (earlier / "report.json").write_text("earlier")
    worker = start()
    worker.send("run", **slow)
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
