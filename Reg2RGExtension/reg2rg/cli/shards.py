"""``reg2rg shards``: write the prepared cases of a training to tar files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def shards(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="YAML file, or one of: smoke, phantom, ablation, published.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the shards. An interrupted command continues in it.")
    ],
    cases_per_shard: Annotated[int, typer.Option(help="Cases in each shard.", min=1)] = 64,
    workers: Annotated[int, typer.Option(help="Processes that prepare cases.", min=0)] = 1,
) -> None:
    """Prepare the cases of a training, and write them to tar files that training reads in sequence."""
    from reg2rg.runtime.resources import find_training_config
    from reg2rg.training.config import read_config
    from reg2rg.training.shard_writing import write_shards

    def print_message(message: str) -> None:
        print(message, file=sys.stderr, flush=True)

    settings = read_config(find_training_config(config), print_message)
    write_shards(settings, output, cases_per_shard, workers, print_message)
    print(output)
