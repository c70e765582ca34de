"""Several processes train the same model as one."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, TypeVar

import pytest
import torch
import yaml
from safetensors.torch import load_file

from reg2rg.errors import InputError
from reg2rg.models.config import ModelConfig
from reg2rg.training.case_cache import CaseCache, prepare_all
from reg2rg.training.config import PhantomData, Stage, TrainingConfig, read_config
from reg2rg.training.datasets import PhantomSource
from reg2rg.training.processes import Processes
from reg2rg.training.run import train
from reg2rg.training.samples import TrainingCase
from reg2rg.training.trainer import passes_per_process

T = TypeVar("T")


@pytest.fixture
def training(repository: Path, tmp_path: Path) -> TrainingConfig:
    """Return a training whose first stage has its only checkpoint in the middle of the second epoch."""
    smoke = read_config(repository / "Resources/Training/smoke.yaml")
    vision, text = (
        dataclasses.replace(stage, batch_size=1, grad_accum_steps=2, log_every=1, warmup_steps=1)
        for stage in smoke.stages
    )
    stages = (dataclasses.replace(vision, steps=4, eval_every=3), dataclasses.replace(text, steps=3, eval_every=2))
    data = PhantomData("phantoms", 4, 1)
    return dataclasses.replace(smoke, data=data, stages=stages, workers=0, cache=tmp_path / "cases")


def stop_at(event: str) -> Any:
    """Return a callback that interrupts a training at a message."""

    def callback(message: str) -> None:
        if message.startswith(event):
            raise KeyboardInterrupt

    return callback


@pytest.mark.slow
def test_two_processes_end_a_training_that_one_began_with_the_losses_and_weights_of_one(
    training: TrainingConfig, tmp_path: Path
) -> None:
    train(training, tmp_path / "one", "cpu", lambda message: None)
    with pytest.raises(KeyboardInterrupt):
        train(training, tmp_path / "run", "cpu", stop_at("vision step 4/4"))
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(training.to_dict()))
    command = ["torchrun", "--nproc-per-node", "2", "--no-python", "reg2rg", "train", "config.yaml", "-o", "run"]
    done = subprocess.run(
        [Path(sys.executable).with_name(command[0]), *command[1:], "--device", "cpu"],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{Path('run', 'model')}\n", "only one process prints"
    assert done.stderr.count("text step 3/3") == 1
    for stage in ("1-vision", "2-text"):
        one, two = (json.loads((tmp_path / run / stage / "history.json").read_text()) for run in ("one", "run"))
        for row, expected in zip(two, one, strict=True):
            losses = {name: value for name, value in row.items() if "loss" in name and not name.startswith("train_")}
            assert losses == pytest.approx({name: expected[name] for name in losses}, rel=1e-6)
    one, two = (load_file(tmp_path / run / "model" / "model.safetensors") for run in ("one", "run"))
    assert [name for name in one if not torch.equal(one[name], two[name])] == []


def test_processes_share_the_passes_of_a_step() -> None:
    stage = Stage("text", steps=1, grad_accum_steps=16)
    assert [passes_per_process(stage, processes) for processes in (1, 2, 8, 16)] == [16, 8, 2, 1]
    with pytest.raises(InputError, match="grad_accum_steps 16, which 3 processes share; expected a multiple of 3"):
        passes_per_process(stage, 3)


class SecondOfTwo(Processes):
    """The second of two processes; the first one has not been able to use the first case."""

    def __init__(self) -> None:
        self.index, self.count, self.device = 1, 2, "cpu"

    def gather(self, value: T) -> list[T]:
        return [{0: "No lung."}, value]  # type: ignore[list-item]


class OneBadPhantom(PhantomSource):
    """Phantoms, the second of which cannot be used. The first one is never made."""

    may_fail = True

    def make(self, name: str, config: ModelConfig) -> TrainingCase:
        assert name != "0"
        if name == "1":
            raise InputError("No heart.")
        return super().make(name, config)


def test_each_process_prepares_its_share_and_all_leave_out_the_same_cases(
    smoke_config: ModelConfig, tmp_path: Path
) -> None:
    source = OneBadPhantom.from_config(PhantomData("phantoms", 4))
    cases, messages = CaseCache(source, smoke_config, tmp_path), []
    prepare_all(cases, 0, messages.append, SecondOfTwo())
    assert list(cases.training) == [2, 3] and cases.problems == {"0": "No lung.", "1": "No heart."}
    assert messages == [
        "1 cannot be used and is left out: No heart.", "0 cannot be used and is left out: No lung."
    ]  # fmt: skip
    assert [file.stem for file in cases.folder.glob("*.safetensors")] == ["3"]
