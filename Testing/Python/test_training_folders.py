"""Run folders of trainings: one training at a time, a corrected configuration continues, and Ctrl-C ends promptly."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from reg2rg.errors import InputError
from reg2rg.runtime.folder_lock import locked_folder
from reg2rg.training.config import PhantomData, TrainingConfig, read_config
from reg2rg.training.run import train

HOLD = """
import os, sys, time
from pathlib import Path
from reg2rg.runtime.folder_lock import locked_folder
with locked_folder(Path(sys.argv[1]), "Another training run"):
    if sys.argv[2] == "fork" and os.fork() == 0:
        os.close(1)
        time.sleep(60)
    print("ready", flush=True)
    time.sleep(60)
"""


def hold_lock(folder: Path, mode: str = "alone") -> subprocess.Popen[str]:
    """Start a process that holds the lock of a folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder), mode], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


@pytest.fixture
def small(repository: Path, tmp_path: Path) -> TrainingConfig:
    """Return a training of one step per stage."""
    config = read_config(repository / "Resources/Training/smoke.yaml")
    stages = tuple(
        dataclasses.replace(stage, steps=1, batch_size=1, warmup_steps=0, eval_every=1) for stage in config.stages
    )
    return dataclasses.replace(config, data=PhantomData("phantoms", 1), stages=stages, workers=0, cache=tmp_path / "c")


def test_a_second_training_in_the_same_folder_is_refused(small: TrainingConfig, tmp_path: Path) -> None:
    process = hold_lock(tmp_path / "run")
    try:
        with pytest.raises(InputError, match="Another training run uses .*run at the moment; wait until it ends"):
            train(small, tmp_path / "run", "cpu", print)
    finally:
        process.kill()
        process.wait()


@pytest.mark.posix
@pytest.mark.parametrize("mode", ["alone", "fork"])
def test_a_killed_training_leaves_no_lock_even_if_a_forked_child_survives(tmp_path: Path, mode: str) -> None:
    process = hold_lock(tmp_path / "run", mode)
    children = psutil.Process(process.pid).children()
    process.kill()
    process.wait()
    with locked_folder(tmp_path / "run", "Another training run"):
        pass
    assert list((tmp_path / "run").iterdir()) == []
    for child in children:
        child.kill()


def test_a_lock_leaves_nothing_behind(tmp_path: Path) -> None:
    with locked_folder(tmp_path / "a" / "b", "Another training run"):
        assert (tmp_path / "a" / "b").is_dir()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_corrected_configuration_continues_where_the_first_one_failed(small: TrainingConfig, tmp_path: Path) -> None:
    vision, text = small.stages
    missing = dataclasses.replace(small.model, pretrained=(tmp_path / "absent.pth",))
    with pytest.raises(InputError, match="absent.pth"):
        train(dataclasses.replace(small, model=missing), tmp_path / "run", "cpu", print)
    unknown = dataclasses.replace(small, stages=(vision, dataclasses.replace(text, losses=("nonsense",))))
    with pytest.raises(InputError, match="losses include nonsense"):
        train(unknown, tmp_path / "run", "cpu", print)
    trained = tmp_path / "run" / "1-vision" / "trained.safetensors"
    before = trained.stat().st_mtime_ns
    other = dataclasses.replace(small, stages=(dataclasses.replace(vision, learning_rate=1.0), text))
    with pytest.raises(InputError, match=r"different configuration \(stages\[0\]\)"):
        train(other, tmp_path / "run", "cpu", print)
    with pytest.raises(InputError, match=r"different configuration \(seed\)"):
        train(dataclasses.replace(small, seed=7), tmp_path / "run", "cpu", print)
    model = train(dataclasses.replace(small, threads=2), tmp_path / "run", "cpu", print)
    assert (model / "MODEL_CARD.md").is_file() and trained.stat().st_mtime_ns == before
    with pytest.raises(InputError, match=r"different configuration \(save_dtype\)"):
        train(dataclasses.replace(small, save_dtype=None), tmp_path / "run", "cpu", print)


@pytest.mark.posix
def test_files_of_a_training_follow_the_umask(small: TrainingConfig, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        config = dataclasses.replace(small, stages=small.stages[:1], data=PhantomData("phantoms", 1, 1))
        train(config, tmp_path / "run", "cpu", print)
    finally:
        os.umask(before)
    files = [file for place in ("run", "c") for file in (tmp_path / place).rglob("*") if file.is_file()]
    assert len(files) > 10
    assert {file.name for file in files if file.stat().st_mode & 0o777 != 0o644} == set()


COMPUTE = """
import hashlib
from reg2rg.cli import main, train
import signal
signal.signal(signal.SIGINT, main._interrupt)
try:
    with train._prompt_interrupts():
        print("ready", flush=True)
        hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)  # minutes in C
except KeyboardInterrupt:
    print("too late")
"""


@pytest.mark.slow
@pytest.mark.posix
def test_ctrl_c_ends_a_long_computation_within_seconds() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", COMPUTE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    time.sleep(0.5)  # the computation begins
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=20)
    assert process.returncode == 130 and output == ""
    assert errors.splitlines() == [
        "reg2rg: Interrupted; run the same command again to resume from the last checkpoint."
    ]


@pytest.mark.slow
@pytest.mark.posix
def test_ctrl_c_ends_the_processes_that_prepare_cases_within_seconds(repository: Path, tmp_path: Path) -> None:
    config = yaml.safe_load((repository / "Resources/Training/smoke.yaml").read_text())
    config |= {"workers": 2, "cache": str(tmp_path / "cases"), "data": {"kind": "phantoms", "cases": 500}}
    config["model"]["tokenizer_cases"] = 400
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "reg2rg.cli", "train", str(tmp_path / "config.yaml"), "-o", str(tmp_path / "run")]
    process = subprocess.Popen([*command, "--device", "cpu"], stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("cases/*/*.safetensors")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= 2
    interrupted = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)  # as the terminal does
    _, errors = process.communicate(timeout=30)
    assert time.monotonic() - interrupted < 10
    assert process.returncode == 130 and "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("reg2rg: Interrupted; run the same command again")
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive
    assert not [path for path in tmp_path.rglob(".reg2rg-*")]
