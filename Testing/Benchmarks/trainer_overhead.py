"""Measure what the trainer adds to the time of a step, compared with a plain loop over the same model and cases.

    python Testing/Benchmarks/trainer_overhead.py [--quick] [--config FILE]

The plain loop only reads each case and does the forward and backward passes, gradient clipping, AdamW and the cosine
schedule. Loop and trainer take turns, and the median step is compared, so that short bursts of other programs have no
effect. The cases are prepared beforehand.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from reg2rg.models.reg2rg import Reg2RG
from reg2rg.runtime.third_party import import_transformers
from reg2rg.training.case_cache import CaseCache
from reg2rg.training.config import Stage, TrainingConfig, read_config
from reg2rg.training.datasets import open_source
from reg2rg.training.feature_cache import FeatureCache
from reg2rg.training.initialization import create_model, resolve_architecture
from reg2rg.training.module import TrainingModule
from reg2rg.training.run import learn_tokenizer
from reg2rg.training.trainer import StageTrainer, uses_bf16

transformers = import_transformers()

CONFIG = Path(__file__).parents[2] / "Resources/Training/phantom.yaml"
CASES, STEPS, TURNS = 12, 10, 3
SKIPPED_STEPS = 2
"""First steps of each turn that do not count, because threads and memory are being set up."""


@dataclass
class StepTimes:
    """The times at which steps ended.

    Attributes:
        ends: wall-clock seconds, and CPU seconds of this process on all cores.
    """

    ends: list[tuple[float, float]] = field(default_factory=list)

    def record(self) -> None:
        """Record the end of a step."""
        self.ends.append((time.perf_counter(), time.process_time()))

    def durations(self) -> list[tuple[float, float]]:
        """Return the durations of the steps that count, from the end of one to the end of the next."""
        pairs = zip(self.ends, self.ends[1:], strict=False)
        return [(end[0] - start[0], end[1] - start[1]) for start, end in pairs][SKIPPED_STEPS:]


class StepTimer(transformers.TrainerCallback):
    """Records the ends of steps, so that everything the trainer does between two steps is measured."""

    def __init__(self) -> None:
        self.times = StepTimes()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.times.record()


def main() -> None:
    """Print a table of the overhead of each stage."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one turn each")
    parser.add_argument("--config", type=Path, default=CONFIG, help="training to measure (default: the embedded model)")
    options = parser.parse_args()
    turns = 1 if options.quick else TURNS
    config = read_config(options.config)
    torch.set_num_threads(config.threads)
    architecture = resolve_architecture(config.model, config.name)
    print("| stage | step of the plain loop | step of the trainer | overhead |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases = CaseCache(open_source(config.data), architecture, folder / "cache")
        cases.training = cases.training[:CASES]
        cases.validation = cases.validation[:0]
        model = create_model(architecture, config.model, learn_tokenizer(cases, config), config.seed)
        for stage in config.stages:
            loop, trainer = compare(model, stage, config, cases, folder, turns)
            for unit, a, b in zip(("s", "core s"), loop, trainer, strict=True):
                print(f"| {stage.kind} | {a:.3f} {unit} | {b:.3f} {unit} | {100 * (b / a - 1):+.1f}% |")


def compare(
    model: Reg2RG, stage: Stage, config: TrainingConfig, cases: CaseCache, folder: Path, turns: int
) -> tuple[list[float], list[float]]:
    """Measure the steps of a stage in the loop and in the trainer.

    Args:
        model: the model to train.
        stage: the stage.
        config: the training.
        cases: the cases.
        folder: folder for features, checkpoints and logs.
        turns: number of turns of each.

    Returns:
        The median wall-clock and CPU seconds of a step in the loop, and those in the trainer.
    """
    stage = dataclasses.replace(stage, steps=STEPS, log_every=4, eval_every=10 * STEPS)
    features = FeatureCache(model, cases, folder / "features") if stage.kind == "text" else None
    module = TrainingModule(model, stage, cases, features)
    prepared = features if features is not None else cases
    for index in cases.training:
        prepared[index]
    loop, trainer = [], []
    for turn in range(turns):
        loop += plain_loop(module, stage, config, cases).durations()
        timer = StepTimer()
        stage_trainer = StageTrainer(module, cases, config, stage, folder / f"{stage.kind}-{turn}", lambda line: None)
        stage_trainer.add_callback(timer)
        stage_trainer.train()
        module.__dict__.pop("forward", None)  # remove the wrapper that accelerate adds for mixed precision
        trainer += timer.times.durations()
    return _medians(loop), _medians(trainer)


def plain_loop(module: TrainingModule, stage: Stage, config: TrainingConfig, cases: CaseCache) -> StepTimes:
    """Do the same steps without the trainer, and return their times."""
    parameters = list(module.trained_parameters().values())
    optimizer = torch.optim.AdamW(parameters, lr=stage.learning_rate, weight_decay=stage.weight_decay, fused=True)
    schedule = transformers.get_cosine_schedule_with_warmup(optimizer, stage.warmup_steps, STEPS)
    module.train()
    times = StepTimes()
    times.record()
    for step in range(STEPS):
        first = step * stage.batch_size
        indices = torch.tensor([(first + i) % len(cases.training) for i in range(stage.batch_size)])
        with torch.autocast("cpu", torch.bfloat16, enabled=uses_bf16(config, torch.device("cpu"))):
            loss = functools.reduce(torch.add, module(indices).values())
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        times.record()
    return times


def _medians(durations: list[tuple[float, float]]) -> list[float]:
    return [statistics.median(values) for values in zip(*durations, strict=True)]


if __name__ == "__main__":
    sys.exit(main())
