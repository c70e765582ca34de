"""Records of many phantoms, made in several processes, each written once: interrupted, it goes on where it was."""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import SimpleITK as sitk
import torch

from reg2rg.benchmark.examine import GenerationSettings, examine_phantom
from reg2rg.benchmark.records import CaseRecord, from_json, to_json
from reg2rg.checkpoints import CONFIG_FILE, ModelFolder
from reg2rg.inference import ReportGenerator
from reg2rg.phantom import PhantomCase, PhantomConfig, make_phantom
from reg2rg.runtime.staging import staged_output

TEST_SEEDS = range(9_000_000, 9_000_500)
"""Held out: no training run may use them, nor the population they are drawn from."""

MAX_NEW_TOKENS = 200
"""Per region; no section of a phantom is as long."""


def collect_records(
    model: Path,
    seeds: Iterable[int],
    folder: Path,
    *,
    parallel: bool | None = None,
    processes: int = 2,
    device: str = "cpu",
    show: Callable[[int, int], None] = lambda done, all: None,
) -> list[CaseRecord]:
    """What the model of a folder answers about the held-out phantoms of these seeds.

    Args:
        folder: keeps a file a case, in a subfolder for this model and these phantoms; what is there is not asked again.
        parallel: as for Writer.write; as the model was trained if None.
        processes: each with one thread and the model to itself.
        show: told how many are done of how many.
    """
    seeds = list(seeds)
    kept = folder / _fingerprint(model, parallel)
    missing = [seed for seed in seeds if not (kept / f"{seed}.json").exists()]
    done = len(seeds) - len(missing)
    show(done, len(seeds))
    if missing:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, context, _begin, (model, parallel, device, kept)) as pool:
            for _ in pool.map(_keep, missing):
                done += 1
                show(done, len(seeds))
    return read_records(kept, seeds)


def read_records(folder: Path, seeds: Sequence[int]) -> list[CaseRecord]:
    """The records of these seeds."""
    return [from_json((folder / f"{seed}.json").read_text(encoding="utf-8")) for seed in seeds]


def load_generator(
    folder: Path, parallel: bool | None = None, device: str = "cpu"
) -> tuple[ReportGenerator, GenerationSettings]:
    """The model of a folder, and how it is asked."""
    model = ModelFolder.open(folder).load(device)
    config = model.config
    parallel = config.parallel if parallel is None else parallel
    settings = GenerationSettings(
        preprocessing=config.preprocessing,
        labels=config.findings.labels if config.findings and config.findings.cues else (),
        parallel=parallel,
        max_new_tokens=MAX_NEW_TOKENS * (1 if parallel else config.regions_per_prompt),
    )
    return ReportGenerator(model), settings


def held_out_phantom(seed: int) -> PhantomCase:
    """The phantom of a test seed."""
    return make_phantom(seed, PhantomConfig(population="held-out"))


def _fingerprint(model: Path, parallel: bool | None) -> str:
    """Differs where records would: by the model, the way of writing, and what phantoms look like."""
    phantom = held_out_phantom(TEST_SEEDS[0])
    weights = ModelFolder.open(model).weights_sha256
    digest = hashlib.sha256(f"{weights} {parallel} {phantom.findings} {phantom.sections}".encode())
    digest.update((model / CONFIG_FILE).read_bytes())
    for image in (phantom.volume, phantom.masks.bits, phantom.finding_bits):
        digest.update(sitk.GetArrayViewFromImage(image).tobytes())
    return digest.hexdigest()[:16]


_open: tuple[ReportGenerator, GenerationSettings, Path] | None = None  # of this worker process


def _begin(model: Path, parallel: bool | None, device: str, kept: Path) -> None:
    global _open
    torch.set_num_threads(1)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    _open = (*load_generator(model, parallel, device), kept)


def _keep(seed: int) -> None:
    generator, settings, kept = _open
    record = examine_phantom(generator, settings, held_out_phantom(seed))
    with staged_output(kept) as staging:
        (staging / f"{seed}.json").write_text(to_json(record), encoding="utf-8")
