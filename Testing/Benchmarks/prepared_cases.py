"""Measure the size of prepared cases, and how long it takes to prepare and to read them.

python Testing/Benchmarks/prepared_cases.py [CONFIG...]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from reg2rg.models.config import ModelConfig
from reg2rg.runtime.resources import find_training_config
from reg2rg.training.case_cache import CaseCache
from reg2rg.training.config import ModelSource, PhantomData, read_config
from reg2rg.training.datasets import PhantomSource
from reg2rg.training.initialization import resolve_architecture

CASES = 3


def measure(name: str, config: ModelConfig) -> None:
    """Print the mean size and times of phantoms that are prepared for a model."""
    sizes, prepared, read = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        cases = CaseCache(PhantomSource.from_config(PhantomData("phantoms", CASES)), config, Path(folder))
        for index in range(CASES):
            start = time.perf_counter()
            cases.prepare(index)
            prepared.append(time.perf_counter() - start)
            start = time.perf_counter()
            _ = cases[index]
            read.append(time.perf_counter() - start)
            sizes.append(len(cases.encoded(index)))
    size = sum(sizes) / CASES
    print(
        f"{name}: {size / 1e6:.1f} MB per case, {size * 25_000 / 1e12:.2f} TB for 25,000 cases; made and prepared in "
        f"{sum(prepared) / CASES:.1f} s, read from memory in {1000 * sum(read) / CASES:.0f} ms"
    )


def main() -> None:
    """Measure the published architecture, and those of training configurations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("configs", metavar="CONFIG", nargs="*", type=Path, default=[Path("phantom")])
    measure("published sizes", resolve_architecture(ModelSource(architecture={}), "published"))
    for path in parser.parse_args().configs:
        config = read_config(find_training_config(path))
        measure(config.name, resolve_architecture(config.model, config.name))


if __name__ == "__main__":
    main()
