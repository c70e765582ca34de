"""``reg2rg train``: train a model from a configuration file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from reg2rg.errors import Reg2RGError


class TrainingPaused(Reg2RGError):
    """Training was interrupted."""

    exit_code = 130


def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file; see Resources/Training.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for this training run. An interrupted run resumes from it.")
    ],
    device: Annotated[str, typer.Option(help="Device: auto, cpu, mps, cuda or cuda:N.")] = "auto",
) -> None:
    """Train a model on phantoms, or on a folder laid out like RadGenome-ChestCT."""
    from reg2rg.runtime.devices import choose_device
    from reg2rg.training.config import read_config

    def print_message(message: str) -> None:
        print(message, file=sys.stderr, flush=True)

    settings, device = read_config(config, print_message), choose_device(device)
    from reg2rg.training.run import train

    try:
        model = train(settings, output, device, print_message)
    except KeyboardInterrupt:
        raise TrainingPaused("Interrupted; run the same command again to resume from the last checkpoint.") from None
    print(model)
