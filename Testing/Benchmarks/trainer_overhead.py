"""What the trainer costs beside a plain loop: the same steps of the same model on the same cases, in one run.

    python Testing/Benchmarks/trainer_overhead.py [--quick] [--config FILE]

The plain loop reads each case and does forward, backward, clipping, AdamW and the cosine schedule, nothing else. Loop
and trainer take turns; what is compared is the median step, which no other program's burst decides. Cases are prepared
before.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from reg2rg.models.reg2rg import Reg2RG
from reg2rg.training.case_cache import CaseStore
from reg2rg.training.config import Stage, TrainingConfig, read_config
from reg2rg.training.datasets import open_source
from reg2rg.training.feature_cache import KeptStore
from reg2rg.training.initialization import fresh_model, full_config
from reg2rg.training.module import Learner
from reg2rg.training.run import make_tokenizer
from reg2rg.training.trainer import StageTrainer, TrainerCallback

CONFIG = Path(__file__).parents[2] / "Resources/Training/phantom.yaml"
CASES, STEPS, TURNS = 12, 10, 3
FIRST = 2
"""Steps of each turn that do not count: threads and memory are being set up."""


@dataclass
class Steps:
    """Seconds, and this process's seconds of all cores, of each step: from one's end to the next one's."""

    ends: list[tuple[float, float]] = field(default_factory=list)

    def end(self) -> None:
        self.ends.append((time.perf_counter(), time.process_time()))

    def each(self) -> list[tuple[float, float]]:
        return [(b[0] - a[0], b[1] - a[1]) for a, b in zip(self.ends, self.ends[1:], strict=False)][FIRST:]


class Clock(TrainerCallback):
    """All that the trainer does between two steps is in it."""

    def __init__(self) -> None:
        self.steps = Steps()

    def on_step_end(self, *_, **__) -> None:
        self.steps.end()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one turn each")
    parser.add_argument("--config", type=Path, default=CONFIG, help="what is trained; the embedded model")
    options = parser.parse_args()
    turns = 1 if options.quick else TURNS
    config = read_config(options.config)
    torch.set_num_threads(config.threads)
    full = full_config(config.model, config.name)
    print("| stage | a step of the plain loop | of the trainer | overhead |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = open_source(config.data)
        store = CaseStore(source, full, folder / "cache")
        store.training = store.training[:CASES]
        store.validation = store.validation[:0]
        model = fresh_model(full, config.model, make_tokenizer(store, config), config.seed)
        for stage in config.stages:
            loop, trainer = compare(model, stage, config, store, folder, turns)
            for unit, a, b in zip(("s", "core s"), loop, trainer, strict=True):
                print(f"| {stage.kind} | {a:.3f} {unit} | {b:.3f} {unit} | {100 * (b / a - 1):+.1f}% |")


def compare(
    model: Reg2RG, stage: Stage, config: TrainingConfig, store: CaseStore, folder: Path, turns: int
) -> tuple[list[float], list[float]]:
    """Medians of a step (seconds, seconds of all cores), in the loop and in the trainer."""
    stage = dataclasses.replace(stage, steps=STEPS, log_every=4, every=10 * STEPS)
    kept = KeptStore(model, store, folder / "kept") if stage.kind == "text" else None
    learner = Learner(model, stage, store, kept)
    for number in store.training:
        _ = kept[number] if kept else store[number]
    loop, trainer = [], []
    for turn in range(turns):
        loop += plain_loop(learner, stage, config, store).each()
        clock = Clock()
        hugging_face = StageTrainer(learner, store, config, stage, folder / f"{stage.kind}-{turn}", lambda line: None)
        hugging_face.add_callback(clock)
        hugging_face.train()
        learner.__dict__.pop("forward", None)  # accelerate wraps it for its precision
        trainer += clock.steps.each()
    return [statistics.median(part) for part in zip(*loop, strict=True)], [
        statistics.median(part) for part in zip(*trainer, strict=True)
    ]


def plain_loop(learner: Learner, stage: Stage, config: TrainingConfig, store: CaseStore) -> Steps:
    """The same steps without the trainer."""
    from transformers import get_cosine_schedule_with_warmup

    parameters = list(learner.trained().values())
    optimiser = torch.optim.AdamW(parameters, lr=stage.rate, weight_decay=stage.weight_decay, fused=True)
    schedule = get_cosine_schedule_with_warmup(optimiser, stage.warmup, STEPS)
    learner.train()
    steps = Steps()
    steps.end()
    for step in range(STEPS):
        numbers = torch.tensor([(step * stage.batch + i) % len(store.training) for i in range(stage.batch)])
        with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bf16"):
            loss = sum(learner(numbers).values())
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        steps.end()
    return steps


if __name__ == "__main__":
    sys.exit(main())
