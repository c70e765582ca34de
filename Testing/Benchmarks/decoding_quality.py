"""Compare the quality of sections generated in parallel with sections generated in one text, on held-out phantoms.

    python Testing/Benchmarks/decoding_quality.py [--quick]

Two models learn the prompt with ten regions for the same number of steps. Both start from the embedded model, which has
one region per prompt, and only their language models are trained: one generates all sections in one text, as published,
the other generates each section from the prompt alone. Each then reports the same held-out phantoms in both ways.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
import sys
import time
from collections.abc import Sequence

import torch

from reg2rg.benchmark import BenchmarkResults, run_benchmark
from reg2rg.benchmark.collect import TEST_SEEDS
from reg2rg.checkpoints import ModelFolder
from reg2rg.checkpoints.saving import save_model
from reg2rg.evaluation import format_cell
from reg2rg.hub import find_model
from reg2rg.inference.encoding import FeatureEncoder
from reg2rg.models.config import ModelConfig
from reg2rg.models.reg2rg import PromptFeatures, Reg2RG
from reg2rg.phantom import make_phantom
from reg2rg.preprocessing import prepare
from reg2rg.runtime.callbacks import never_cancel
from reg2rg.runtime.staging import scratch_folder
from reg2rg.training.collation import Sections, collate_texts, pack_text

TRAINING_SEEDS = range(20_000, 20_300)
BATCH_SIZE = 4
LEARNING_RATE = 5e-4
METRICS = (
    "regions recognized",
    "text: precision",
    "text: recall",
    "text: micro F1",
    "text: side correct",
    "text: lobe or level correct",
    "text: normal sections called normal",
)

Case = tuple[Sections, PromptFeatures]


def main() -> None:
    """Train both models and print their metrics."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few cases and steps, only to check that it runs")
    options = parser.parse_args()
    cases, steps, test = (8, 4, 2) if options.quick else (len(TRAINING_SEEDS), 300, 60)
    assert not set(TRAINING_SEEDS) & set(TEST_SEEDS)

    embedded = ModelFolder.open(find_model("phantom")).load()
    config = dataclasses.replace(embedded.config, regions_per_prompt=10)
    training = training_cases(embedded, TRAINING_SEEDS[:cases])
    print(f"{cases} training phantoms, {steps} steps of {BATCH_SIZE}, {test} held-out phantoms")
    print(f"| trained to generate | generates | {' | '.join(METRICS)} |")
    print(f"|---|---|{'---|' * len(METRICS)}")
    for trained_parallel in (False, True):
        model = trained_model(embedded, dataclasses.replace(config, parallel=trained_parallel), training, steps)
        with scratch_folder() as folder:
            save_model(model, folder / "model", card="")
            for parallel in (False, True):
                results = run_benchmark(folder / "model", TEST_SEEDS[:test], folder / "records", parallel=parallel)
                print(f"| {way(trained_parallel)} | {way(parallel)} | {shares(results)} |", flush=True)


def way(parallel: bool) -> str:
    """Name a way of generating sections."""
    return "in parallel" if parallel else "in one text"


def shares(results: BenchmarkResults) -> str:
    """Return the cells of a table row."""
    return " | ".join(format_cell(results.intervals[name].value) for name in METRICS)


@torch.no_grad()
def training_cases(model: Reg2RG, seeds: Sequence[int]) -> list[Case]:
    """Return the sections of each phantom and its features from the embedded model."""
    encoder, cases = FeatureEncoder(model.embedding_layer, model.config), []
    for seed in seeds:
        phantom = make_phantom(seed)
        inputs = prepare(phantom.volume, phantom.masks, model.config.preprocessing)
        names = list(inputs.textures)
        image, regions = encoder.encode(inputs, names, never_cancel)
        features = PromptFeatures(image, torch.stack([regions[name] for name in names]))
        cases.append(([(name, phantom.sections[name]) for name in names], features))
    return cases


def trained_model(embedded: Reg2RG, config: ModelConfig, cases: Sequence[Case], steps: int) -> Reg2RG:
    """Train the language model of a copy of the embedded model."""
    torch.manual_seed(0)
    model = Reg2RG(config)
    model.load_state_dict(embedded.state_dict())
    model.tie_word_embeddings()
    model.tokenizer = embedded.tokenizer
    optimizer = torch.optim.AdamW(model.lang_model.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, steps, pct_start=0.1)
    rng, started = random.Random(0), time.monotonic()
    for step in range(1, steps + 1):
        batch = rng.sample(list(cases), BATCH_SIZE)
        texts = collate_texts([pack_text(model, sections) for sections, _ in batch])
        features = [features for _, features in batch]
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(texts.ids, features, texts.attention_mask, texts.labels, texts.positions).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.lang_model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        if step % 20 == 0 or step == steps:
            seconds = (time.monotonic() - started) / step
            done = f"training to generate {way(config.parallel)}: step {step}, loss {loss:.3f}"
            print(f"{done}, {seconds:.2f} s per step", file=sys.stderr)
    return model.eval()


if __name__ == "__main__":
    main()
