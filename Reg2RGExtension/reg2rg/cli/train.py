"""``reg2rg train``: a model from a config."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from reg2rg.errors import Reg2RGError


class Paused(Reg2RGError):
    """A training was interrupted."""

    exit_code = 130


def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file; Resources/Training holds some.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of this training; given again, it goes on from there.")
    ],
    device: Annotated[str, typer.Option(help="auto, cpu, mps, cuda or cuda:N.")] = "auto",
) -> None:
    """Train a model on phantoms or on a folder in RadGenome's layout."""
    from reg2rg.runtime.devices import choose_device
    from reg2rg.training.config import read_config

    settings, device = read_config(config), choose_device(device)
    from reg2rg.training.run import train

    try:
        model = train(settings, output, device, lambda line: print(line, file=sys.stderr, flush=True))
    except KeyboardInterrupt:
        raise Paused("Interrupted; the last checkpoint is kept, and the same command goes on from there.") from None
    print(model)
