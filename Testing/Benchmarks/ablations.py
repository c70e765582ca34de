"""What cues, the dense loss and the finding head are worth: four models of one config, trained alike, side by side.

    python Testing/Benchmarks/ablations.py Resources/Training/ablation.yaml -o out/ablations [--steps N] [--cases N]

All four see the same cases for as many steps. Without the dense loss nothing is known of where findings lie: its
windows become whole regions, which is more to see in a step, not less. Without a finding head there is nothing that
vision could be taught alone: its vision stages become steps of the text in which the vision transformer learns, too.
Interrupted, the same command goes on. Prints the headline numbers and the collapse table, one column a variant.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

from reg2rg.benchmark import comparison_tables, run_benchmark
from reg2rg.benchmark.collect import TEST_SEEDS
from reg2rg.errors import InputError, Reg2RGError
from reg2rg.evaluation.tables import to_markdown
from reg2rg.training.config import Stage, TrainingConfig, read_config
from reg2rg.training.run import train


def main() -> None:
    options = _options()
    results = {}
    for name, config in variants(budgeted(read_config(options.config), options.steps), options.output).items():
        model = train(config, options.output / name.replace(" ", "-"), options.device, _say(name))
        seeds = TEST_SEEDS[: options.cases]
        results[name] = run_benchmark(model, seeds, options.output / "answers", processes=options.processes)
    for table in comparison_tables(results):
        print(to_markdown(table), "\n")


def variants(base: TrainingConfig, folder: Path) -> dict[str, TrainingConfig]:
    """The config as it is and with one part after another left out; all share their prepared cases."""
    base = dataclasses.replace(base, cache=base.cache or folder / "cache")

    def without(of_vision_stages: dict[str, object], **switches: object) -> TrainingConfig:
        stages = tuple(
            dataclasses.replace(stage, **of_vision_stages) if stage.kind == "vision" else stage for stage in base.stages
        )
        return dataclasses.replace(base, model=dataclasses.replace(base.model, **switches), stages=stages)

    whole_regions = {"window": None, "losses": ()}
    return {
        "whole": base,
        "without cues": without({}, cues=0),
        "without dense loss": without(whole_regions, dense=False),
        "without finding head": without({"kind": "text", "frozen": False, **whole_regions}, findings=False),
    }


def budgeted(config: TrainingConfig, steps: int | None) -> TrainingConfig:
    """The config with its stages shortened, each alike, to so many steps in all."""
    if steps is None:
        return config
    if any(stage.steps is None for stage in config.stages):
        raise InputError("--steps shortens stages that say their steps; this config has stages in epochs.")
    share = steps / sum(stage.steps for stage in config.stages)

    def shortened(stage: Stage) -> Stage:
        return dataclasses.replace(stage, steps=max(1, round(stage.steps * share)))

    return dataclasses.replace(config, stages=tuple(shortened(stage) for stage in config.stages))


def _say(name: str):
    return lambda line: print(f"{name}: {line}", file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path, help="what the variants are made of, with a finding head")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the trainings and their answers")
    parser.add_argument("--steps", type=int, help="of each variant; as the config says if not given")
    parser.add_argument("--cases", type=int, default=100, help="held-out phantoms to measure on")
    parser.add_argument("--processes", type=int, default=2, help="that measure")
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except Reg2RGError as error:
        sys.exit(str(error))
