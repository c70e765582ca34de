"""Writing all regions at once against writing them in one text: what it costs in quality, on held-out phantoms.

    python Testing/Benchmarks/decoding_quality.py [--quick]

Two models learn the prompt of ten regions for the same number of steps. Both begin as the embedded model, which asks
for one region a prompt, and only their language models learn: one is taught the published way, all sections in one
text, the other to write each section from the prompt alone. Each then writes reports of the same held-out phantoms both
ways.
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
from reg2rg.evaluation.tables import format_cell
from reg2rg.hub import find_model
from reg2rg.inference.encoding import FeatureEncoder
from reg2rg.models.config import ModelConfig
from reg2rg.models.reg2rg import PromptFeatures, Reg2RG
from reg2rg.phantom import make_phantom
from reg2rg.preprocessing import prepare
from reg2rg.runtime.callbacks import never_cancel
from reg2rg.runtime.staging import scratch_folder
from reg2rg.training.collation import Sections, collate_texts, packed_text

TRAINING_SEEDS = range(20_000, 20_300)
BATCH = 4
RATE = 5e-4
SHOWN = (
    "region recognised",
    "text: precision",
    "text: recall",
    "text: F1, micro",
    "text: side right",
    "text: lobe or level right",
    "text: normal sections called normal",
)

Case = tuple[Sections, PromptFeatures]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few cases and steps: shows that it runs, no more")
    options = parser.parse_args()
    cases, steps, test = (8, 4, 2) if options.quick else (len(TRAINING_SEEDS), 300, 60)
    assert not set(TRAINING_SEEDS) & set(TEST_SEEDS)

    embedded = ModelFolder.open(find_model("phantom")).load()
    config = dataclasses.replace(embedded.config, regions_per_prompt=10)
    training = training_cases(embedded, TRAINING_SEEDS[:cases])
    print(f"{cases} training phantoms, {steps} steps of {BATCH}, {test} held-out phantoms")
    print(f"| taught to write | writes | {' | '.join(SHOWN)} |")
    print(f"|---|---|{'---|' * len(SHOWN)}")
    for taught in (False, True):
        model = taught_model(embedded, dataclasses.replace(config, parallel=taught), training, steps)
        with scratch_folder() as folder:
            save_model(model, folder / "model", card="")
            for parallel in (False, True):
                results = run_benchmark(folder / "model", TEST_SEEDS[:test], folder / "records", parallel=parallel)
                print(f"| {way(taught)} | {way(parallel)} | {shares(results)} |", flush=True)


def way(parallel: bool) -> str:
    return "in parallel" if parallel else "in one text"


def shares(results: BenchmarkResults) -> str:
    return " | ".join(format_cell(results.intervals[name].value) for name in SHOWN)


@torch.no_grad()
def training_cases(model: Reg2RG, seeds: Sequence[int]) -> list[Case]:
    """What the embedded model sees of each phantom, and its report."""
    encoder, cases = FeatureEncoder(model.embedding_layer, model.config), []
    for seed in seeds:
        phantom = make_phantom(seed)
        inputs = prepare(phantom.volume, phantom.masks, model.config.preprocessing)
        names = list(inputs.textures)
        image, regions = encoder.encode(inputs, names, never_cancel)
        features = PromptFeatures(image, torch.stack([regions[name] for name in names]))
        cases.append(([(name, phantom.sections[name]) for name in names], features))
    return cases


def taught_model(embedded: Reg2RG, config: ModelConfig, cases: Sequence[Case], steps: int) -> Reg2RG:
    torch.manual_seed(0)
    model = Reg2RG(config)
    model.load_state_dict(embedded.state_dict())
    model.tie_word_embeddings()
    model.tokenizer = embedded.tokenizer
    optimiser = torch.optim.AdamW(model.lang_model.parameters(), lr=RATE, weight_decay=0.01)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, steps, pct_start=0.1)
    shuffle, started = random.Random(0), time.monotonic()
    for step in range(1, steps + 1):
        batch = shuffle.sample(list(cases), BATCH)
        texts = collate_texts([packed_text(model, sections) for sections, _ in batch])
        features = [features for _, features in batch]
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(texts.ids, features, texts.attention_mask, texts.labels, texts.positions).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.lang_model.parameters(), 1.0)
        optimiser.step()
        rate.step()
        if step % 20 == 0 or step == steps:
            seconds = (time.monotonic() - started) / step
            done = f"taught {way(config.parallel)}: step {step}, loss {loss:.3f}"
            print(f"{done}, {seconds:.2f} s a step", file=sys.stderr)
    return model.eval()


if __name__ == "__main__":
    main()
