"""Writing ten sections of 40 tokens: plain generate, one sequence, all regions in parallel, one region again.

    python Testing/Benchmarks/writing.py [--quick]

A language model of SmolLM2-135M's shape with random weights and LoRA stands behind the published prompt of ten regions.
Random weights never end a text, so every way draws just what it is asked for: a report in one sequence is ten times 40
tokens and, between them, the words "The region i is", which the parallel way is given.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import time
from collections.abc import Callable

import published
import torch

from reg2rg.inference import ReportGenerator
from reg2rg.inference.encoding import FeatureEncoder
from reg2rg.inference.fusing import fuse
from reg2rg.models.config import LanguageConfig, ModelConfig, PreprocessingConfig, VisionConfig
from reg2rg.models.reg2rg import PromptFeatures, Reg2RG
from reg2rg.preprocessing import ModelInputs
from reg2rg.prompting import INSTRUCTION, opening_ids, prompt_ids
from reg2rg.regions import REGION_NAMES
from reg2rg.runtime.callbacks import never_cancel
from reg2rg.training.tokenizers import train_tokenizer

SECTION = 40
SMOLLM2 = LanguageConfig(
    vocab_size=49152,
    hidden_size=576,
    intermediate_size=1536,
    num_hidden_layers=30,
    num_attention_heads=9,
    num_key_value_heads=3,
    max_position_embeddings=8192,
    tie_word_embeddings=True,
)
SHAPES = {"smollm2": SMOLLM2, "llama2": LanguageConfig(num_hidden_layers=2)}
CROP = (16, 16, 16)
TINY_VISION = VisionConfig(CROP, (8, 8, 8), 1, 24, 1, 2, 8, 32, positions="sine")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="sections of 10 tokens")
    section = 10 if parser.parse_args().quick else SECTION
    model = language_model()
    inputs = random_inputs()
    ids, whole = prompt_and_length(model, len(REGION_NAMES), section)
    print(f"prompt {len(ids)} tokens, report {len(REGION_NAMES)} x {section} tokens, {torch.get_num_threads()} threads")

    seconds: dict[str, float] = {}

    def measure(name: str, action: Callable[..., object], *arguments: object, **options: object) -> None:
        started = time.perf_counter()
        with torch.inference_mode():
            action(*arguments, **options)
        seconds[name] = time.perf_counter() - started

    with torch.inference_mode():
        features = encoded(model, inputs)
    measure("published: generate, LoRA beside", generate, model, ids, features, whole)
    folded = fuse(copy.deepcopy(model))
    measure("generate, folded", generate, folded, ids, features, whole)
    model.lang_model.to(torch.bfloat16)
    model.tie_word_embeddings()
    half = fuse(model)
    for name, made in (("", folded), (", bfloat16", half)):
        generator = ReportGenerator(made)
        generator.generate(inputs, regions=REGION_NAMES[:1], max_new_tokens=1)
        generator._backend._prompt_tokens = None
        measure(f"one sequence{name}", generator.generate, inputs, max_new_tokens=whole)
        generator._backend._prompt_tokens = None
        measure(f"in parallel{name}", generator.generate, inputs, parallel=True, max_new_tokens=section)
        one = {"regions": REGION_NAMES[5:6], "parallel": True, "max_new_tokens": section}
        measure(f"one region again{name}", generator.generate, inputs, **one)
        generator._last_ids.clear()
        measure(f"one region again, all words new{name}", generator.generate, inputs, **one)

    print("| way | seconds | against published | against one sequence |\n|---|---|---|---|")
    base = seconds["published: generate, LoRA beside"]
    for name, value in seconds.items():
        own = seconds["one sequence, bfloat16" if "bfloat16" in name else "one sequence"]
        print(f"| {name} | {value:.2f} | {base / value:.1f}x | {own / value:.1f}x |")


def language_model(shape: str = "smollm2", *, whole_vision: bool = False) -> Reg2RG:
    """Return a model with random weights, whose texts never end.

    Args:
        shape: Key of SHAPES.
        whole_vision: Whether to use the published vision encoder instead of a tiny one.
    """
    torch.manual_seed(0)
    openings = [f"The region {i} is {name}: " for i, name in enumerate(REGION_NAMES)]
    tokenizer = train_tokenizer([INSTRUCTION, *openings], 400)
    config = ModelConfig(name=shape, language=SHAPES[shape])
    if not whole_vision:
        sizes = PreprocessingConfig(CROP, CROP, CROP)
        config = dataclasses.replace(config, preprocessing=sizes, vision=TINY_VISION, mask=TINY_VISION)
    model = Reg2RG(config).eval()
    model.tokenizer = tokenizer
    tokenizer.eos_token_id = None
    return model


def prompt_and_length(model: Reg2RG, regions: int, section: int) -> tuple[list[int], int]:
    """Ids of the prompt for so many regions, and how many tokens their report has in one sequence."""
    opening = len(opening_ids(model.tokenizer, regions - 1))
    return prompt_ids(model.tokenizer, model.special, regions), regions * (section + opening)


def random_inputs() -> ModelInputs:
    return ModelInputs(
        torch.rand(CROP),
        {name: torch.rand(CROP) for name in REGION_NAMES},
        {name: torch.rand(CROP) for name in REGION_NAMES},
        {},
    )


def encoded(model: Reg2RG, inputs: ModelInputs) -> PromptFeatures:
    image, regions = FeatureEncoder(model.embedding_layer, model.config).encode(inputs, REGION_NAMES, never_cancel)
    return PromptFeatures(image, torch.stack(list(regions.values())))


def generate(model: Reg2RG, ids: list[int], features: PromptFeatures, count: int) -> None:
    published.generate(model, published.embed(model, ids, features), count)


if __name__ == "__main__":
    main()
