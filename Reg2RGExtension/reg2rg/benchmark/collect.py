"""Collection of records on many phantoms in parallel. Records are kept on disk, so an interrupted run can continue."""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import SimpleITK as sitk
import torch

from reg2rg.benchmark.examine import GenerationSettings, examine_phantom
from reg2rg.benchmark.records import FORMAT_VERSION, CaseRecord, from_json, to_json
from reg2rg.checkpoints import CONFIG_FILE, ModelFolder
from reg2rg.inference import ReportGenerator
from reg2rg.phantom import PhantomCase, PhantomConfig, make_phantom
from reg2rg.runtime.callbacks import ProgressCallback, ignore_progress
from reg2rg.runtime.staging import staged_output

TEST_SEEDS = range(9_000_000, 9_000_500)
"""Seeds reserved for measurement; no training run may use them or the population they are drawn from."""

MAX_NEW_TOKENS = 200
"""Limit per region; no section of a phantom is that long."""


def collect_records(
    model: Path,
    seeds: Iterable[int],
    folder: Path,
    *,
    parallel: bool | None = None,
    processes: int = 2,
    device: str = "cpu",
    progress: ProgressCallback = ignore_progress,
) -> list[CaseRecord]:
    """Query a model about held-out phantoms.

    Args:
        model: Model folder.
        seeds: Seeds of the phantoms.
        folder: Folder for one file per case, in a subfolder for this model and these phantoms. Existing records are
            reused.
        parallel: As in ``ReportGenerator.generate``; the way the model was trained if None.
        processes: Number of processes, each with one thread and its own copy of the model.
        device: Device to run on.
        progress: Called after each case.

    Returns:
        One record per seed, in order.
    """
    seeds = list(seeds)
    records = folder / _fingerprint(model, parallel)
    missing = [seed for seed in seeds if not (records / f"{seed}.json").exists()]

    def report_progress(remaining: int) -> None:
        done = len(seeds) - remaining
        progress(done / max(1, len(seeds)), f"{done} of {len(seeds)} phantoms")

    report_progress(len(missing))
    if missing:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, context, _load_in_worker, (model, parallel, device, records)) as pool:
            for done, _ in enumerate(pool.map(_write_record, missing), start=1):
                report_progress(len(missing) - done)
    return read_records(records, seeds)


def read_records(folder: Path, seeds: Sequence[int]) -> list[CaseRecord]:
    """Read the records of the given seeds."""
    return [from_json((folder / f"{seed}.json").read_text(encoding="utf-8")) for seed in seeds]


def load_generator(
    folder: Path, parallel: bool | None = None, device: str = "cpu"
) -> tuple[ReportGenerator, GenerationSettings]:
    """Load a model and the settings to use it with.

    Args:
        folder: Model folder.
        parallel: As in ``ReportGenerator.generate``; the way the model was trained if None.
        device: Device to load the model on.
    """
    model = ModelFolder.open(folder).load(device)
    config = model.config
    parallel = config.parallel if parallel is None else parallel
    settings = GenerationSettings(
        preprocessing=config.preprocessing,
        cue_labels=config.findings.labels if config.findings and config.findings.cues else (),
        parallel=parallel,
        max_new_tokens=MAX_NEW_TOKENS * (1 if parallel else config.regions_per_prompt),
        scalars=config.scalars,
    )
    return ReportGenerator(model), settings


def held_out_phantom(seed: int) -> PhantomCase:
    """Make a phantom from the held-out population."""
    return make_phantom(seed, PhantomConfig(population="held-out"))


def _fingerprint(model: Path, parallel: bool | None) -> str:
    """Return a hash of everything that records depend on: model, way of generating, phantoms and record format."""
    phantom = held_out_phantom(TEST_SEEDS[0])
    weights = ModelFolder.open(model).weights_sha256
    identity = f"{FORMAT_VERSION} {weights} {parallel} {phantom.findings} {phantom.sections}"
    digest = hashlib.sha256(identity.encode())
    digest.update((model / CONFIG_FILE).read_bytes())
    for image in (phantom.volume, phantom.masks.bits, phantom.finding_bits):
        digest.update(sitk.GetArrayViewFromImage(image).tobytes())
    return digest.hexdigest()[:16]


_worker: tuple[ReportGenerator, GenerationSettings, Path] | None = None
"""Model, settings and output folder of a worker process."""


def _load_in_worker(model: Path, parallel: bool | None, device: str, records: Path) -> None:
    global _worker
    torch.set_num_threads(1)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    _worker = (*load_generator(model, parallel, device), records)


def _write_record(seed: int) -> None:
    assert _worker is not None
    generator, settings, records = _worker
    record = examine_phantom(generator, settings, held_out_phantom(seed))
    with staged_output(records) as staging:
        (staging / f"{seed}.json").write_text(to_json(record), encoding="utf-8")
