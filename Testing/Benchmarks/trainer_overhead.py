"""What the trainer costs beside a plain loop: the same steps of the same model on the same cases, in one run.

    python Testing/Benchmarks/trainer_overhead.py [--quick]

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
from pathlib import Path

import torch
from torch import nn
from transformers import TrainerCallback, get_cosine_schedule_with_warmup

from reg2rg.models.reg2rg import Reg2RG
from reg2rg.training.beginning import fresh_model, full_config
from reg2rg.training.config import Stage, TrainingConfig, read_config
from reg2rg.training.kept import KeptStore
from reg2rg.training.learner import Learner
from reg2rg.training.run import make_tokenizer
from reg2rg.training.sources import open_source
from reg2rg.training.store import CaseStore
from reg2rg.training.trainer import StageTrainer

CONFIG = Path(__file__).parents[2] / "Resources/Training/phantom.yaml"
CASES, STEPS, TURNS = 16, 16, 3
FIRST = 2
"""Steps of each turn that do not count: threads and memory are being set up."""


class Clock(TrainerCallback):
    """Seconds of each step: from one's end to the next one's, so all that happens between them is in it."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, *_, **__) -> None:
        self.ends.append(time.perf_counter())

    def seconds(self) -> list[float]:
        return [b - a for a, b in zip(self.ends, self.ends[1:], strict=False)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one turn each")
    turns = 1 if parser.parse_args().quick else TURNS
    config = read_config(CONFIG)
    torch.set_num_threads(config.threads)
    full = full_config(config.model, config.name)
    print("| stage | a step of the plain loop (s) | of the trainer (s) | overhead |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = open_source(config.data)
        store = CaseStore(source, full, folder / "cache")
        store.training = store.training[:CASES]
        store.validation = store.validation[:0]
        model = fresh_model(full, config.model, make_tokenizer(store, config), config.seed)
        for stage in config.stages:
            loop, trainer = compare(model, stage, config, store, folder, turns)
            print(f"| {stage.kind} | {loop:.3f} | {trainer:.3f} | {100 * (trainer / loop - 1):+.1f}% |")


def compare(
    model: Reg2RG, stage: Stage, config: TrainingConfig, store: CaseStore, folder: Path, turns: int
) -> tuple[float, float]:
    """Median seconds of a step, in the loop and in the trainer."""
    stage = dataclasses.replace(stage, steps=STEPS, log_every=4, every=10 * STEPS)
    kept = KeptStore(model, store, folder / "kept") if stage.kind == "text" else None
    learner = Learner(model, stage, store, kept)
    for number in store.training:
        _ = kept[number] if kept else store[number]
    loop: list[float] = []
    trainer: list[float] = []
    for turn in range(turns):
        loop += plain_loop(learner, stage, config, store)[FIRST:]
        clock = Clock()
        hugging_face = StageTrainer(learner, store, config, stage, folder / f"{stage.kind}-{turn}", lambda line: None)
        hugging_face.add_callback(clock)
        hugging_face.train()
        learner.__dict__.pop("forward", None)  # accelerate wraps it for its precision
        trainer += clock.seconds()[FIRST:]
    return statistics.median(loop), statistics.median(trainer)


def plain_loop(learner: Learner, stage: Stage, config: TrainingConfig, store: CaseStore) -> list[float]:
    """Seconds of each step."""
    parameters = list(learner.trained().values())
    optimiser = torch.optim.AdamW(parameters, lr=stage.rate, weight_decay=stage.weight_decay, fused=True)
    schedule = get_cosine_schedule_with_warmup(optimiser, stage.warmup, STEPS)
    learner.train()
    ends = [time.perf_counter()]
    for step in range(STEPS):
        numbers = torch.tensor([(step * stage.batch + i) % len(store.training) for i in range(stage.batch)])
        with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bf16"):
            loss = sum(learner(numbers).values())
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        ends.append(time.perf_counter())
    return [b - a for a, b in zip(ends, ends[1:], strict=False)]


if __name__ == "__main__":
    sys.exit(main())
