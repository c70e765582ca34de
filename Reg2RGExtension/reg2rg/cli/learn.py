"""The ``reg2rg learn`` command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from reg2rg.errors import Reg2RGError
from reg2rg.runtime.dataclass_io import MAX_SEED


class WorseModelError(Reg2RGError):
    """What was learned made the model worse, so it was not written."""

    exit_code = 3


def learn(
    reports: Annotated[
        list[Path], typer.Argument(metavar="REPORTS...", help="Report folders, or folders that contain some.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the new model.")],
    cts: Annotated[Path, typer.Option(help="Folder with the CTs of the reports; they are found by their voxels.")],
    model: Annotated[str, typer.Option(help="Name or folder of the model to start from.")] = "phantom",
    held_out: Annotated[
        float, typer.Option(help="Share of the patients that both models are compared on.", min=0.1, max=0.5)
    ] = 0.25,
    seed: Annotated[int, typer.Option(help="Random seed.", min=0, max=MAX_SEED)] = 0,
    device: Annotated[str, typer.Option(help="Device: auto, cpu, mps, cuda or cuda:N.")] = "auto",
) -> None:
    """Train a model on signed reports, and write it unless it is worse on reports that were held out."""
    from reg2rg.cli.tables import print_tables
    from reg2rg.learning import learn
    from reg2rg.runtime.devices import choose_device

    def print_message(message: str) -> None:
        print(message, file=sys.stderr, flush=True)

    learned = learn(
        reports,
        output,
        cts=cts,
        model=model,
        held_out=held_out,
        seed=seed,
        device=choose_device(device),
        on_message=print_message,
    )
    print_tables(learned.tables)
    if learned.model is None:
        numbers = ", ".join(f"{each.name} on {each.cases}" for each in learned.worse)
        raise WorseModelError(f"The new model is worse than {model} ({numbers}); nothing was written.")
    print(learned.model)
