"""Time that a report takes on two CPU cores."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from reg2rg.benchmark.collect import held_out_phantom, load_generator
from reg2rg.preprocessing import prepare
from reg2rg.runtime.cores import limited_torch_threads

THREADS = 2


def seconds_per_report(model: Path, seeds: Sequence[int]) -> list[float]:
    """Measure the time from region masks to text, findings and out-of-distribution check, with the model loaded.

    Args:
        model: Model folder.
        seeds: Seeds of the phantoms. The first phantom is a warm-up.

    Returns:
        Seconds for every phantom except the first.
    """
    with limited_torch_threads(THREADS):
        generator, settings = load_generator(model)
        seconds = []
        for seed in seeds:
            phantom = held_out_phantom(seed)
            started = time.perf_counter()
            inputs = prepare(phantom.volume, phantom.masks, settings.preprocessing)
            generator.generate(inputs, parallel=settings.parallel, max_new_tokens=settings.max_new_tokens)
            generator.detect(inputs)
            generator.out_of_distribution(inputs)
            seconds.append(time.perf_counter() - started)
    return seconds[1:]
