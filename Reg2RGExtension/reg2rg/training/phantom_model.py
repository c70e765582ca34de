"""Makes the embedded phantom model from nothing: ``python -m reg2rg.training.phantom_model -o FOLDER``.

Phantoms of different seeds train the model, choose nothing (there is no early stopping), and measure it.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from reg2rg import __version__
from reg2rg.models.checkpoints import load_model, save_model
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.phantom import make_phantom
from reg2rg.training.cases import TrainingCase, prepare_case
from reg2rg.training.presets import phantom_config
from reg2rg.training.quality import measure_quality
from reg2rg.training.recipe import Recipe, new_heads, train_text, train_vision
from reg2rg.training.tokenizers import train_tokenizer

TEST_SEEDS = range(9_000_000, 9_000_200)
"""Held out: no training run may use them."""

VOCABULARY = 1000


def main() -> None:
    options = _options()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s")
    log = logging.info
    options.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    recipe = Recipe(vision_steps=options.vision_steps, text_steps=options.text_steps)
    torch.manual_seed(recipe.seed)

    started = time.monotonic()
    texts = [text for seed in range(400) for text in make_phantom(seed).sections.values()]
    tokenizer = train_tokenizer([f"The region 0 is {text}" for text in texts], VOCABULARY)
    config = phantom_config(len(tokenizer))
    cases = _cases(options, config)
    log(f"{len(cases)} cases, {len(tokenizer)} words, after {time.monotonic() - started:.0f} s")

    model = Reg2RG(config)
    model.tokenizer = tokenizer
    heads = new_heads(model)
    stage_one = options.work / "vision.safetensors"
    state = torch.nn.ModuleDict({"encoder": model.embedding_layer.vision_encoder,
                                 "perceiver": model.embedding_layer.perceiver, "heads": heads})  # fmt: skip
    if stage_one.exists():
        state.load_state_dict(load_file(stage_one))
    else:
        train_vision(model, heads, cases, recipe, log)
        save_file(state.state_dict(), stage_one)
    train_text(model, heads, cases, recipe, log)
    publish(model, options.output, recipe, len(cases), minutes=(time.monotonic() - started) / 60)


def publish(model: Reg2RG, folder: Path, recipe: Recipe, cases: int, minutes: float) -> None:
    """Write the model's folder, measure what was stored on held-out phantoms, and say so in its card."""
    save_model(model, folder, dtype=torch.float16, card="")
    quality = measure_quality(load_model(folder), TEST_SEEDS)
    card = _CARD.format(
        version=__version__,
        parameters=sum(p.numel() for p in model.parameters()) / 1e6,
        cases=cases,
        vision_steps=recipe.vision_steps,
        text_steps=recipe.text_steps,
        minutes=minutes,
        test_first=TEST_SEEDS[0],
        test_last=TEST_SEEDS[-1],
        test_count=len(TEST_SEEDS),
        quality=quality.table(),
    )
    save_model(model, folder, dtype=torch.float16, card=card)
    print(quality.table())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True, help="model folder to write")
    parser.add_argument("--work", type=Path, required=True, help="folder for prepared cases and the first stage")
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--vision-steps", type=int, default=Recipe.vision_steps)
    parser.add_argument("--text-steps", type=int, default=Recipe.text_steps)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def _cases(options: argparse.Namespace, config) -> list[TrainingCase]:
    """Training cases, one process a thread, in the order of their seeds."""
    with ProcessPoolExecutor(options.threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return list(pool.map(partial(prepare_case, config=config), range(options.cases), chunksize=8))


_CARD = """# phantom: the embedded model of Reg2RG

**It was trained on synthetic phantoms only and describes nothing clinical.** It shows every step of the system on any
chest CT: regions, grounded sections, review, export. What it says about a real patient is meaningless.
AI-generated draft, not reviewed. Not for clinical use.

- Architecture: Reg2RG with small values of its config fields (config.json), {parameters:.1f} million parameters, stored
  as float16. Where it differs from the published architecture the fields say so: fixed sine positions, a convolutional
  stem, texture averaged inside the mask only, one prompt a region, a language model trained from nothing, no LoRA.
- Training data: {cases} phantoms made by `reg2rg.phantom` {version} (seeds from 0). No patient data.
- Training: {vision_steps} steps of vision on planted findings, then {text_steps} of text on frozen vision tokens, on
  2 CPU cores, {minutes:.0f} minutes in all, by `python -m reg2rg.training.phantom_model -o FOLDER --work FOLDER`.
- Licence: Apache-2.0. Intended use: demonstration, self-tests, development.

## Measured on {test_count} held-out phantoms

Seeds {test_first} to {test_last}, by the same command. A finding counts as right if the section's text names it.

{quality}"""

if __name__ == "__main__":
    main()
