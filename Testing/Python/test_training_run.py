"""`reg2rg train` learns, resumes after it was killed, and creates a model that writes reports."""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from reg2rg import DRAFT_LABEL
from reg2rg.checkpoints import ModelFolder
from reg2rg.errors import InputError
from reg2rg.models.ood_detector import UNFITTED_DISTANCE
from reg2rg.training.config import read_config
from reg2rg.training.run import train

pytestmark = pytest.mark.slow

TRAIN = [sys.executable, "-m", "reg2rg.cli", "train"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}


@pytest.fixture(scope="module")
def smoke(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the smoke training's configuration, whose prepared cases all tests share."""
    config = yaml.safe_load((repository / "Resources/Training/smoke.yaml").read_text())
    return config | {"cache": str(tmp_path_factory.mktemp("cases"))}


def start(config: dict[str, Any], folder: Path) -> subprocess.Popen[str]:
    """Start `reg2rg train` with a configuration and the run folder ``folder``/run."""
    folder.mkdir(exist_ok=True)
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(config))
    command = [*TRAIN, file, "-o", folder / "run", "--device", "cpu"]
    return subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    )


def run_training(config: dict[str, Any], folder: Path) -> Path:
    """Run a training to its end and return its run folder."""
    process = start(config, folder)
    output, errors = process.communicate(timeout=900)
    assert process.returncode == 0, errors
    assert output == f"{folder / 'run' / 'model'}\n"
    return folder / "run"


def losses(run: Path, stage: str, name: str) -> list[float]:
    """Return the values of one of a stage's losses, in the order logged."""
    return [row[name] for row in json.loads((run / stage / "history.json").read_text()) if name in row]


@pytest.fixture(scope="module")
def run(smoke: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_training(smoke, tmp_path_factory.mktemp("smoke"))


@pytest.mark.parametrize(
    ("stage", "name"), [("1-vision", "loss_labels"), ("1-vision", "loss_map"), ("2-text", "loss_text")]
)
def test_losses_decrease_on_training_and_validation_cases(run: Path, stage: str, name: str):
    first, *_, last = losses(run, stage, name)
    assert last < 0.5 * first
    first, *_, last = losses(run, stage, f"eval_{name}")
    assert last < first


def test_the_model_is_calibrated_and_its_card_describes_the_training(run: Path):
    model = ModelFolder.open(run / "model").load()
    assert model.config.findings.temperature != 1.0
    (kind,) = model.embedding_layer.ood_detector.kinds
    assert float(kind.validation_distances.nan_to_num().max()) < UNFITTED_DISTANCE
    card = (run / "model" / "MODEL_CARD.md").read_text()
    assert "not evaluated" in card and DRAFT_LABEL in card
    assert "8 phantoms" in card and "20 steps of 2 cases" in card and "40 steps of 2 cases" in card
    assert "Initial weights: random." in card and str(run) not in card


def test_the_model_writes_a_report(reg2rg, run: Path, phantom_files: tuple[Path, Path], tmp_path: Path):
    volume, regions = phantom_files
    arguments = ["report", volume, "-o", tmp_path, "--model", run / "model", "--regions", regions, "--device", "cpu"]
    assert reg2rg(*arguments, "--max-new-tokens", "8").returncode == 0
    assert len(json.loads((tmp_path / "report.json").read_text())["sections"]) >= 9


def test_losses_are_plotted_and_logged_to_tensorboard(run: Path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert (run / "losses.png").read_bytes().startswith(b"\x89PNG")
    events = EventAccumulator(str(run / "2-text" / "logs")).Reload()
    assert [event.value for event in events.Scalars("train/loss_text")] == pytest.approx(
        losses(run, "2-text", "loss_text"), rel=1e-4
    )


def test_a_killed_training_resumes_with_the_same_losses(smoke: dict[str, Any], run: Path, tmp_path: Path):
    for stage in ("1-vision", "2-text"):
        process = start(smoke, tmp_path)
        wait_for(lambda stage=stage: list((tmp_path / "run" / stage).glob("checkpoint-*/trainer_state.json")), process)
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.communicate(timeout=20)
        gone, alive = psutil.wait_procs(children, timeout=20)
        assert not alive, "the worker processes end with the training"
    again = tmp_path / "run"
    train(read_config(tmp_path / "config.yaml"), again, "cpu", print)
    assert losses(again, "1-vision", "loss") == pytest.approx(losses(run, "1-vision", "loss"), rel=1e-5)
    assert losses(again, "2-text", "loss") == pytest.approx(losses(run, "2-text", "loss"), rel=1e-5)
    assert ModelFolder.open(again / "model").load().config == ModelFolder.open(run / "model").load().config


@pytest.mark.posix
def test_ctrl_c_ends_with_a_message_on_how_to_resume(smoke: dict[str, Any], tmp_path: Path):
    process = start(smoke, tmp_path)
    wait_for(lambda: list((tmp_path / "run" / "1-vision").glob("logs/*")), process)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 130 and output == "" and "Traceback" not in errors
    assert errors.splitlines()[-1] == (
        "reg2rg: Interrupted; run the same command again to resume from the last checkpoint."
    )


def test_a_training_that_no_longer_improves_stops_early(smoke: dict[str, Any], tmp_path: Path):
    config = copy.deepcopy(smoke)
    (stage, _) = config["stages"]
    config["stages"] = [
        stage | {"steps": 60, "learning_rate": 0.1, "schedule": "constant", "eval_every": 2, "patience": 2}
    ]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    train(read_config(tmp_path / "config.yaml"), tmp_path / "run", "cpu", print)
    evaluations = losses(tmp_path / "run", "1-vision", "eval_loss")
    assert len(evaluations) < 30
    assert evaluations.index(min(evaluations)) == len(evaluations) - 3, "it stops after two without improvement"


def test_a_run_folder_of_another_configuration_is_refused(smoke: dict[str, Any], run: Path, tmp_path: Path):
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(smoke | {"seed": 1}))
    with pytest.raises(InputError, match="contains a training run with a different configuration"):
        train(read_config(tmp_path / "other.yaml"), run, "cpu", print)


def test_a_folder_with_other_content_is_refused(smoke: dict[str, Any], tmp_path: Path):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(smoke))
    with pytest.raises(InputError, match="is not empty and does not contain a training run"):
        train(read_config(tmp_path / "config.yaml"), tmp_path, "cpu", print)


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Wait until a condition is true while a process runs."""
    deadline = time.monotonic() + 600
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
