"""Measure what cues, the finding map's loss and the finding head contribute, with four variants of one configuration.

    python Testing/Benchmarks/ablations.py Resources/Training/ablation.yaml -o out/ablations [--steps N] [--cases N]

All variants see the same cases for the same number of steps. Without the finding map's loss, the places of findings
are unknown, so patches become whole regions, which show more voxels per step. Without the finding head, vision cannot
be trained alone, so vision stages become text stages that also train the vision transformer. If the command is
interrupted, run it again to resume. It prints the headline numbers and the table of template collapse, one column per
variant.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

from reg2rg.benchmark import comparison_tables, run_benchmark
from reg2rg.benchmark.collect import TEST_SEEDS
from reg2rg.errors import InputError, Reg2RGError
from reg2rg.evaluation.tables import to_markdown
from reg2rg.training.config import MessageCallback, TrainingConfig, read_config
from reg2rg.training.run import train


def main() -> None:
    """Train and measure the variants, and print the tables."""
    options = _options()
    base = shorten_stages(read_config(options.config), options.steps)
    results = {}
    for name, config in variants(base, options.output).items():
        model = train(config, options.output / name.replace(" ", "-"), options.device, _print_with(name))
        seeds = TEST_SEEDS[: options.cases]
        results[name] = run_benchmark(model, seeds, options.output / "answers", processes=options.processes)
    for table in comparison_tables(results):
        print(to_markdown(table), "\n")


def variants(base: TrainingConfig, folder: Path) -> dict[str, TrainingConfig]:
    """Return the configuration and its variants, each without one part. All share their prepared cases.

    Args:
        base: a configuration with a finding head.
        folder: folder for the prepared cases, unless the configuration names one.

    Returns:
        Name of the variant -> its configuration.
    """
    base = dataclasses.replace(base, cache=base.cache or folder / "cache")

    def without(vision_stage_changes: dict[str, Any], **model_changes: Any) -> TrainingConfig:
        stages = tuple(
            dataclasses.replace(stage, **vision_stage_changes) if stage.kind == "vision" else stage
            for stage in base.stages
        )
        return dataclasses.replace(base, model=dataclasses.replace(base.model, **model_changes), stages=stages)

    whole_regions = {"patch_size": None, "losses": ()}
    text_stage = {"kind": "text", "freeze_vision": False, **whole_regions}
    return {
        "whole": base,
        "without cues": without({}, cues=0),
        "without dense loss": without(whole_regions, finding_map=False),
        "without finding head": without(text_stage, finding_head=False),
    }


def shorten_stages(config: TrainingConfig, total_steps: int | None) -> TrainingConfig:
    """Scale the steps of all stages by the same factor.

    Args:
        config: the configuration.
        total_steps: wanted sum of the steps of all stages; None leaves the configuration unchanged.

    Returns:
        The scaled configuration.

    Raises:
        InputError: a stage is measured in epochs.
    """
    if total_steps is None:
        return config
    steps = [stage.steps for stage in config.stages if stage.steps is not None]
    if len(steps) < len(config.stages):
        raise InputError("--steps needs stages that are measured in steps; this configuration has stages in epochs.")
    factor = total_steps / sum(steps)
    stages = tuple(
        dataclasses.replace(stage, steps=max(1, round(count * factor)))
        for stage, count in zip(config.stages, steps, strict=True)
    )
    return dataclasses.replace(config, stages=stages)


def _print_with(name: str) -> MessageCallback:
    """Return a callback that prints messages after the name of a variant."""
    return lambda message: print(f"{name}: {message}", file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path, help="configuration of a model with a finding head")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the trainings and the answers")
    parser.add_argument("--steps", type=int, help="steps of each variant (default: as configured)")
    parser.add_argument("--cases", type=int, default=100, help="number of held-out phantoms to measure on")
    parser.add_argument("--processes", type=int, default=2, help="number of processes that measure")
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except Reg2RGError as error:
        sys.exit(str(error))
