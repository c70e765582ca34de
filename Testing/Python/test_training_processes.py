"""Several processes train the same model as one."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import pytest
import torch
import torch.distributed.run
import typer
import yaml
from accelerate.commands.config import load_config_from_file
from accelerate.commands.launch import launch_command_parser
from accelerate.utils import DistributedType
from safetensors.torch import load_file

from reg2rg.cli.main import app
from reg2rg.errors import InputError
from reg2rg.models.config import ModelConfig
from reg2rg.runtime.resources import find_training_config
from reg2rg.training.case_cache import CaseCache, prepare_all
from reg2rg.training.config import PhantomData, Stage, TrainingConfig, read_config
from reg2rg.training.datasets import PhantomSource
from reg2rg.training.processes import Processes
from reg2rg.training.run import train
from reg2rg.training.samples import TrainingCase
from reg2rg.training.trainer import passes_per_process

T = TypeVar("T")


@pytest.fixture(scope="module")
def training(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingConfig:
    """Return a training whose first stage has its only checkpoint in the middle of the second epoch."""
    smoke = read_config(repository / "Resources/Training/smoke.yaml")
    vision, text = (
        dataclasses.replace(stage, batch_size=1, grad_accum_steps=2, log_every=1, warmup_steps=1)
        for stage in smoke.stages
    )
    stages = (dataclasses.replace(vision, steps=4, eval_every=3), dataclasses.replace(text, steps=3, eval_every=2))
    data = PhantomData("phantoms", 4, 1)  # an epoch is two steps
    return dataclasses.replace(smoke, data=data, stages=stages, workers=0, cache=tmp_path_factory.mktemp("cases"))


@pytest.fixture(scope="module")
def one(training: TrainingConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run folder of a training with one process."""
    folder = tmp_path_factory.mktemp("one")
    train(training, folder / "run", "cpu", lambda message: None)
    return folder / "run"


def stop_at_step_4(message: str) -> None:
    if message.startswith("vision step 4/4"):
        raise KeyboardInterrupt


def launch(folder: Path, training: TrainingConfig, *program: str) -> subprocess.CompletedProcess[str]:
    """Run a program for ``reg2rg train`` in two processes with the run folder ``folder``/run."""
    (folder / "config.yaml").write_text(yaml.safe_dump(training.to_dict()))
    command = ["torchrun", "--nproc-per-node", "2", *program, "train", "config.yaml", "-o", "run", "--device", "cpu"]
    scripts = Path(sys.executable).parent
    return subprocess.run(
        [scripts / command[0], *command[1:]],
        cwd=folder,
        env={**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=900,
    )


def torchrun(folder: Path, training: TrainingConfig, *program: str) -> str:
    """Run a program like :func:`launch`, to its end; return its messages."""
    done = launch(folder, training, *program)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{Path('run', 'model')}\n", "only one process prints"
    return done.stderr


def losses(run: Path) -> list[dict[str, float]]:
    """Return the losses of all stages, in the order logged."""
    rows = [row for stage in ("1-vision", "2-text") for row in json.loads((run / stage / "history.json").read_text())]
    return [{name: value for name, value in row.items() if re.match("(eval_)?loss", name)} for row in rows]


@pytest.mark.slow
def test_two_processes_end_a_training_that_one_began_with_the_losses_and_weights_of_one(
    training: TrainingConfig, one: Path, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(training, tmp_path / "run", "cpu", stop_at_step_4)
    assert torchrun(tmp_path, training, "--no-python", "reg2rg").count("text step 3/3") == 1
    for own, expected in zip(losses(tmp_path / "run"), losses(one), strict=True):
        assert own == pytest.approx(expected, rel=1e-6)
    expected_weights, weights = (load_file(run / "model" / "model.safetensors") for run in (one, tmp_path / "run"))
    assert [name for name in weights if not torch.equal(weights[name], expected_weights[name])] == []


@pytest.mark.slow
def test_processes_that_divide_the_model_have_the_losses_of_one(
    repository: Path, training: TrainingConfig, one: Path, tmp_path: Path
) -> None:
    program = repository / "Testing" / "Python" / "fsdp_on_cpus.py"
    settings = repository / "Resources" / "Training" / "accelerate" / "fsdp.yaml"
    torchrun(tmp_path, training, str(program), str(settings))
    for own, expected in zip(losses(tmp_path / "run"), losses(one), strict=True):
        assert own == pytest.approx(expected, rel=1e-2, abs=1e-3)
    expected_weights, weights = (load_file(run / "model" / "model.safetensors") for run in (one, tmp_path / "run"))
    assert {name: value.shape for name, value in weights.items()} == {
        name: value.shape for name, value in expected_weights.items()
    }


@pytest.mark.slow
def test_a_process_that_has_lost_another_says_so_in_one_line(training: TrainingConfig, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "letter.txt").touch()  # only the first process checks the folder
    failed = launch(tmp_path, training, "--no-python", "reg2rg")
    messages = sorted(line for line in failed.stderr.splitlines() if line.startswith("reg2rg: "))
    assert failed.returncode == 1 and len(messages) == 2, failed.stderr
    assert messages[0].startswith("reg2rg: Another process of this training has ended, or the network has failed")
    assert messages[1].startswith("reg2rg: run is not empty and does not contain a training run")


@pytest.mark.parametrize("name", ["ddp", "fsdp"])
def test_accelerate_reads_the_configurations(repository: Path, name: str) -> None:
    config = load_config_from_file(str(repository / "Resources" / "Training" / "accelerate" / f"{name}.yaml"))
    assert config.num_processes == 8 and config.mixed_precision == "no"
    assert config.distributed_type == {"ddp": DistributedType.MULTI_GPU, "fsdp": DistributedType.FSDP}[name]


def test_documented_launches_are_valid(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (repository / "docs" / "training.md").read_text().splitlines()
    launches = [shlex.split(line) for line in lines if line.startswith(("accelerate launch", "torchrun"))]
    assert len(launches) == 3
    monkeypatch.chdir(repository)
    for program, *words in launches:
        if program == "torchrun":
            script = torch.distributed.run.parse_args(words)
            assert script.no_python and script.training_script == "reg2rg"
        else:
            script = launch_command_parser().parse_args(words[1:])
            assert script.module and find_spec(script.training_script) and Path(script.config_file).is_file()
        command, *arguments = script.training_script_args
        context = typer.main.get_command(app).commands[command].make_context("reg2rg", arguments)
        config = read_config(find_training_config(context.params["config"]))
        assert [passes_per_process(stage, 8) for stage in config.stages] == [2]


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
