"""Each stage of a report of a 512 x 512 x 300 CT with ten regions: the published algorithm and ours, in the same run.

    python Testing/Benchmarks/stages.py [--quick]

Two models with random weights, both with the published vision side: one with a language model of SmolLM2-135M's shape,
one of LLaMA-2-7B's width with two of its 32 layers, which is what two cores and 24 GiB can hold. Every way runs in a
process of its own, so that peak memory is its own, and writes ten sections of 40 tokens. --quick takes an eighth of the
voxels, four regions and ten tokens.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import preprocessing
import SimpleITK as sitk

from reg2rg.segmentation.masks import RegionMasks

MODELS = {"SmolLM2-135M's shape": "smollm2", "LLaMA-2-7B's width, 2 layers": "llama2"}
WAYS = {"published": "published", "ours": "ours", "ours, bfloat16": "ours-bf16"}
STAGES = ("prepare", "encode", "embed the prompt", "write", "one region again")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="an eighth of the voxels, four regions, ten tokens each")
    parser.add_argument("--run", nargs=3, metavar=("WAY", "MODEL", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        way, model, folder = options.run
        print(json.dumps(run(way, model, Path(folder), options.quick)))
        return
    with tempfile.TemporaryDirectory() as name:
        size = preprocessing.QUICK if options.quick else preprocessing.FULL
        measured(["--run", "making", "none", name], options.quick)
        for title, model in MODELS.items():
            found = {w: measured(["--run", key, model, name], options.quick) for w, key in WAYS.items()}
            print(f"\n{' x '.join(map(str, size))} voxels, {title}\n")
            print(f"| way | {' | '.join(STAGES)} | all but the last | peak RSS |\n|---|{'---|' * (len(STAGES) + 2)}")
            for way, result in found.items():
                print(f"| {way} | {' | '.join(cells(result, found['published']))} |", flush=True)


def cells(result: dict[str, float], published: dict[str, float]) -> list[str]:
    """Seconds of each stage, and how much faster than published; a report of ours can write one region again."""
    report = published["report"]
    times = [
        (result[stage], report if stage == STAGES[-1] else published[stage]) for stage in STAGES if stage in result
    ]
    times += [] if STAGES[-1] in result else [(None, None)]
    times.append((result["report"], report))
    shown = ["cannot" if own is None else f"{own:.2f} s ({base / own:.1f}x)" for own, base in times]
    return [*shown, f"{result['gigabytes']:.1f} GB"]


def measured(arguments: list[str], quick: bool) -> dict[str, float]:
    command = [sys.executable, __file__, *arguments, *["--quick"] * quick]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def run(way: str, model_name: str, folder: Path, quick: bool) -> dict[str, float]:
    if way == "making":
        preprocessing.make_case(preprocessing.QUICK if quick else preprocessing.FULL, folder)
        return {}
    volume = sitk.ReadImage(str(folder / "volume.mha"))
    masks = RegionMasks(sitk.ReadImage(str(folder / "bits.mha")), "benchmark")
    clock = Clock()
    (_published if way == "published" else _ours)(clock, volume, masks, model_name, way.endswith("bf16"), quick)
    seconds = clock.seconds
    seconds["report"] = sum(seconds[stage] for stage in STAGES[:-1])
    return {**seconds, "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}  # Linux counts in kB


class Clock:
    """Seconds of stages; each is the time of one call."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def time(self, stage: str, action: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        started = time.perf_counter()
        result = action(*arguments, **options)
        self.seconds[stage] = time.perf_counter() - started
        return result


def _published(clock: Clock, volume: sitk.Image, masks: RegionMasks, model_name: str, half: bool, quick: bool) -> None:
    import published
    import torch
    import writing

    inputs = clock.time("prepare", published.preprocess, volume, masks)
    inputs = _some(inputs, quick)
    model = writing.language_model(model_name, whole_vision=True)
    ids, tokens = writing.prompt_and_length(model, len(inputs.textures), _section(quick))
    with torch.inference_mode():
        features = clock.time("encode", published.encode, model, inputs)
        embeddings = clock.time("embed the prompt", published.embed, model, ids, features)
        clock.time("write", published.generate, model, embeddings, tokens)


def _ours(clock: Clock, volume: sitk.Image, masks: RegionMasks, model_name: str, half: bool, quick: bool) -> None:
    import torch
    import writing

    from reg2rg.inference import ReportGenerator
    from reg2rg.inference.fusing import fuse
    from reg2rg.models.config import PreprocessingConfig
    from reg2rg.models.reg2rg import PromptFeatures
    from reg2rg.preprocessing import prepare
    from reg2rg.runtime.callbacks import never_cancel

    inputs = clock.time("prepare", prepare, volume, masks, PreprocessingConfig())
    inputs = _some(inputs, quick)
    model = writing.language_model(model_name, whole_vision=True)
    if half:
        model.lang_model.to(torch.bfloat16)
        model.tie_word_embeddings()
    generator = ReportGenerator(fuse(model))
    names = list(inputs.textures)
    ids, _ = writing.prompt_and_length(model, len(names), _section(quick))
    with torch.inference_mode():
        image, regions = clock.time("encode", generator._features.encode, inputs, names, never_cancel)
        features = PromptFeatures(image, torch.stack(list(regions.values())))
        clock.time("embed the prompt", model.embed, torch.tensor([ids]), [features])
    clock.time("write", generator.generate, inputs, parallel=True, max_new_tokens=_section(quick))
    again = {"regions": names[:1], "parallel": True, "max_new_tokens": _section(quick)}
    clock.time("one region again", generator.generate, inputs, **again)


def _section(quick: bool) -> int:
    return 10 if quick else 40


def _some(inputs: Any, quick: bool) -> Any:
    """All regions, or the first four."""
    kept = list(inputs.textures)[: 4 if quick else None]
    parts = {part: {name: getattr(inputs, part)[name] for name in kept} for part in ("textures", "masks")}
    return dataclasses.replace(inputs, **parts)


if __name__ == "__main__":
    main()
