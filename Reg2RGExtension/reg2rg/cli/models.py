"""``reg2rg models``: which models are here, and how others get here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from reg2rg.checkpoints.convert.convert import ImportPlan

models = typer.Typer(
    name="models",
    help="List the models and check their files; import others or make new ones.",
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Tokenizer = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="LLaMA-2's tokenizer (gated: docs/models.md says how to get it).")
]


@models.callback(invoke_without_command=True)
def _list(context: typer.Context) -> None:
    from reg2rg.cli.info import describe_model
    from reg2rg.errors import Reg2RGError
    from reg2rg.hub import list_models
    from reg2rg.runtime.resources import resources_folder

    if context.invoked_subcommand is not None:
        return
    found = [describe_model(folder) for folder in list_models()]
    for model in found:
        print(f"{model.folder.name}  {model.megabytes:.1f} MB  sha256 {model.sha256 or 'unknown'}")
        print(f"  {model.folder}")
        print(f"  {model.about}")
        print(f"  A report needs about {model.memory}.")
        print(f"  {model.problem or 'All its files agree with their checksums.'}")
    if not found:
        raise Reg2RGError(f"No models are installed in {resources_folder()}.")
    if any(model.problem for model in found):
        raise typer.Exit(1)


@models.command(name="import")
def import_(
    checkpoint: Annotated[
        list[Path],
        typer.Argument(
            metavar="CHECKPOINT",
            help="pytorch_model.bin (or its index, or safetensors); for what it lacks also RadFM_vit3d.pth and "
            "RadFM_perceiver_fc.pth.",
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Model folder to write; without it one among your models.")
    ] = None,
    name: Annotated[str, typer.Option(help="Of the model.")] = "reg2rg-llama2-7b",
    tokenizer: Tokenizer = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="config.json to use instead of what the shapes tell.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only say what is in the files and all that does not fit.")
    ] = False,
) -> None:
    """Turn the authors' checkpoint files into a model folder."""
    from reg2rg.checkpoints.convert.convert import import_checkpoint, plan_import
    from reg2rg.cli.progress import shown_fraction
    from reg2rg.hub import place_for

    plan = plan_import(checkpoint, name=name, config=config)
    if check:
        _print_plan(plan)
        raise typer.Exit(1 if plan.misfits else 0)
    folder = output or place_for(name)
    with shown_fraction() as progress:
        import_checkpoint(plan, folder, tokenizer=tokenizer, progress=progress)
    _say_differences(plan)
    print(folder)


def _print_plan(plan: ImportPlan) -> None:
    language, vision = plan.config.language, plan.config.vision
    print(f"{len(plan.tensors)} tensors, {plan.bytes / 1e9:.2f} GB, in {', '.join(str(file) for file in plan.files)}")
    print(f"language model: {language.num_hidden_layers} layers, width {language.hidden_size}, LoRA {language.lora}")
    print(f"vision: {vision.depth} layers, width {vision.dim}; {plan.config.perceiver.latents} latents a volume")
    for misfit in plan.misfits:
        print(misfit)
    print(f"{len(plan.misfits)} tensors do not fit." if plan.misfits else "All tensors fit.")
    _say_differences(plan)


def _say_differences(plan: ImportPlan) -> None:
    """A checkpoint that lacks its last layers looks like a smaller model, so this is always said."""
    from reg2rg.checkpoints.convert.infer_config import list_differences

    if differences := list_differences(plan.config):
        print(f"Not as in the published model: {', '.join(differences)}.", file=sys.stderr)


@models.command()
def new(
    language: Annotated[
        Path,
        typer.Option("--language", metavar="GGUF|FOLDER", help="GGUF file, or folder as of transformers."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Model folder to write.")],
    like: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Whose vision side to copy the shape of; the published if none."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the fresh weights.")] = 0,
) -> None:
    """Make an untrained model around a language model: fresh vision and LoRA."""
    from reg2rg.checkpoints import ModelFolder
    from reg2rg.checkpoints.new_model import new_model
    from reg2rg.hub import find_model
    from reg2rg.models.config import ModelConfig

    new_model(language, output, ModelConfig() if like is None else ModelFolder.open(find_model(like)).config, seed)
    print(output)


@models.command()
def add(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Without it: what can be added.")] = None,
    source: Annotated[
        Path | None, typer.Option("--from", metavar="FOLDER", help="Folder with the files; nothing is fetched.")
    ] = None,
    tokenizer: Tokenizer = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Fetch a model of the catalogue, or take it from a folder."""
    from reg2rg.cli.progress import shown_fraction
    from reg2rg.hub import user_models
    from reg2rg.hub.catalog import describe, find_entry, list_entries
    from reg2rg.hub.install import add_model

    if name is None:
        print("\n".join(describe(entry) for entry in list_entries()))
        return
    entry = find_entry(name)
    print(describe(entry), file=sys.stderr)
    if not yes:
        where = f"Fetch {entry.bytes / 1e6:,.0f} MB" if source is None else f"Take it from {source}"
        _confirm(f"{where}, into {user_models()}, under these terms?")
    told: list[str] = []
    try:
        with shown_fraction() as progress:
            folder = add_model(entry, source=source, tokenizer=tokenizer, progress=progress, on_message=told.append)
    except KeyboardInterrupt:
        print("What was fetched so far is kept; the same command goes on from there.", file=sys.stderr)
        raise
    print(*told, sep="\n", file=sys.stderr)
    print(folder)


def _confirm(question: str) -> None:
    from reg2rg.errors import InputError

    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort:  # nobody is there to answer
        agreed = False
    if not agreed:
        raise InputError("Not confirmed, so nothing was done; --yes confirms.")
