"""How long a report takes, and how large the model is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch

from reg2rg.benchmark.collect import held_out_phantom, load_generator
from reg2rg.preprocessing import prepare

THREADS = 2


def seconds_per_report(model: Path, seeds: Sequence[int]) -> list[float]:
    """Seconds of each report on two cores, from regions to text, findings and familiarity; the model is open already.

    The first of ``seeds`` warms up and is not told.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        generator, settings = load_generator(model)
        taken = []
        for seed in seeds:
            phantom = held_out_phantom(seed)
            started = time.perf_counter()
            inputs = prepare(phantom.volume, phantom.masks, settings.preprocessing)
            generator.generate(inputs, parallel=settings.parallel, max_new_tokens=settings.max_new_tokens)
            generator.detect(inputs)
            generator.out_of_distribution(inputs)
            taken.append(time.perf_counter() - started)
        return taken[1:]
    finally:
        torch.set_num_threads(before)


def megabytes(model: Path) -> float:
    """Of all files of a model folder."""
    return sum(file.stat().st_size for file in model.iterdir()) / 1e6
