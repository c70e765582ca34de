"""A training that was interrupted ends with the same weights as one that was not, bit for bit."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from reg2rg.models.config import ModelConfig
from reg2rg.training.case_cache import CaseCache
from reg2rg.training.case_order import CaseOrder
from reg2rg.training.config import ModelSource, PhantomData, Stage, TrainingConfig
from reg2rg.training.datasets import PhantomSource
from reg2rg.training.feature_cache import FeatureCache
from reg2rg.training.initialization import create_model
from reg2rg.training.module import TrainingModule
from reg2rg.training.run import learn_tokenizer
from reg2rg.training.trainer import WEIGHTS, StageTrainer, last_checkpoint, transformers

VISION = Stage("vision", steps=5, grad_accum_steps=2, learning_rate=3e-3, warmup_steps=2, eval_every=3)
TEXT = Stage("text", steps=7, learning_rate=0.3, warmup_steps=0, eval_every=1, patience=1)
"""An epoch is three cases, so the first stage ends in the middle of one. The second stage diverges and stops early."""

Log = list[dict[str, Any]]
Run = Callable[[Path, list[transformers.TrainerCallback]], tuple[Log, dict[str, torch.Tensor]]]


class Interruptions(transformers.TrainerCallback):
    """Interrupts a training at every event of every step, once each."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, int]] = set()

    def _interrupt(self, event: str, step: int) -> None:
        if (event, step) not in self.seen:
            self.seen.add((event, step))
            raise KeyboardInterrupt

    def on_substep_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._interrupt("pass", state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._interrupt("step", state.global_step)

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._interrupt("evaluation", state.global_step)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._interrupt("checkpoint", state.global_step)


class InterruptedAfterCheckpoint(transformers.TrainerCallback):
    """Interrupts a training after its first checkpoint."""

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        raise KeyboardInterrupt


@pytest.fixture(scope="module")
def cases(smoke_config: ModelConfig, tmp_path_factory: pytest.TempPathFactory) -> CaseCache:
    source = PhantomSource.from_config(PhantomData("phantoms", 3, 1))
    return CaseCache(source, smoke_config, tmp_path_factory.mktemp("cases"))


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    """Use two threads, so that a sum whose order differs from run to run is noticed."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=[pytest.param(VISION, marks=pytest.mark.slow), TEXT], ids=["vision", "text"])
def run(request: pytest.FixtureRequest, smoke_config: ModelConfig, cases: CaseCache, training: TrainingConfig) -> Run:
    """Return a function that runs a stage in a folder and returns the trained weights and the log."""
    tokenizer = learn_tokenizer(cases, training)

    def run(folder: Path, callbacks: list[transformers.TrainerCallback]) -> tuple[Log, dict[str, torch.Tensor]]:
        model = create_model(smoke_config, ModelSource(architecture={}), tokenizer, seed=0)
        features = FeatureCache(model, cases, folder / "features") if request.param.kind == "text" else None
        module = TrainingModule(model, request.param, cases, features)
        trainer = StageTrainer(module, cases, training, request.param, folder, lambda message: None)
        for callback in callbacks:
            trainer.add_callback(callback)
        return trainer.run(), {name: p.detach().clone() for name, p in module.trained_parameters().items()}

    return run


def test_a_training_that_is_interrupted_at_every_step_ends_with_the_same_weights(run: Run, tmp_path: Path) -> None:
    expected_log, expected = run(tmp_path / "whole", [])
    interruptions, count = Interruptions(), 0
    while True:
        try:
            log, weights = run(tmp_path / "interrupted", [interruptions])
            break
        except KeyboardInterrupt:
            count += 1
    assert count == len(interruptions.seen) >= 6
    assert weights.keys() == expected.keys()
    assert [name for name in weights if not torch.equal(weights[name], expected[name])] == []
    evaluations = [[row["eval_loss"] for row in each if "eval_loss" in row] for each in (log, expected_log)]
    assert evaluations[0] == evaluations[1] and len(evaluations[0]) < 7


@pytest.mark.parametrize("run", [TEXT], indirect=True)
def test_a_checkpoint_of_which_a_file_is_damaged_or_missing_is_not_resumed_from(run: Run, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run", [InterruptedAfterCheckpoint()])
    assert last_checkpoint(tmp_path / "run") == tmp_path / "run" / "checkpoint-1"
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth", WEIGHTS, "trainer_state.json"):
        shutil.copytree(tmp_path / "run", tmp_path / name)
        os.truncate(tmp_path / name / "checkpoint-1" / name, 100)
        assert last_checkpoint(tmp_path / name) is None
    (tmp_path / "run" / "checkpoint-1" / "optimizer.pt").unlink()
    assert last_checkpoint(tmp_path / "run") is None


def test_each_epoch_has_its_own_order_and_the_seed_determines_it() -> None:
    orders = []
    for seed, epoch in ((0, 0), (0, 1), (1, 0), (0, 0)):
        order = CaseOrder(50, seed)
        order.set_epoch(epoch)
        orders.append(list(order))
    assert orders[0] == orders[3] != orders[1] and sorted(orders[0]) == list(range(50))
