"""``reg2rg models``: list, verify, import, create and download models."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reg2rg.runtime.dataclass_io import MAX_SEED

if TYPE_CHECKING:
    from reg2rg.checkpoints.convert.convert import ConversionPlan

models = typer.Typer(
    name="models",
    help="List models and verify their files; import, create, download or sign models.",
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Tokenizer = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="LLaMA-2's tokenizer, which is gated; docs/models.md explains how to get it."),
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
        print(f"  A report requires about {model.memory}.")
        print(f"  {model.problem or 'All files match their checksums.'}")
        if model.is_card_edited:
            print("  MODEL_CARD.md was edited; `reg2rg models sign` renews its checksum.")
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
            help="pytorch_model.bin (or its index, or safetensors). Give RadFM_vit3d.pth and RadFM_perceiver_fc.pth as "
            "well to fill in tensors that it lacks.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Model folder to write; by default, a new folder among your models."),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the model.")] = "reg2rg-llama2-7b",
    tokenizer: Tokenizer = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="config.json to use instead of inferring sizes from tensor shapes."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only describe the files and list everything that does not fit.")
    ] = False,
) -> None:
    """Convert the authors' checkpoint files to a model folder."""
    from reg2rg.checkpoints.convert.convert import convert_checkpoint, plan_conversion
    from reg2rg.cli.progress import show_progress
    from reg2rg.hub import new_model_folder

    plan = plan_conversion(checkpoint, name=name, config=config)
    if check:
        _print_plan(plan)
        raise typer.Exit(1 if plan.misfits else 0)
    folder = output or new_model_folder(name)
    with show_progress() as progress:
        convert_checkpoint(plan, folder, tokenizer=tokenizer, progress=progress)
    _print_differences(plan)
    print(folder)


def _print_plan(plan: ConversionPlan) -> None:
    language, vision = plan.config.language, plan.config.vision
    files = ", ".join(str(file) for file in plan.files)
    print(f"{len(plan.tensors)} tensors, {plan.num_bytes / 1e9:.2f} GB, in {files}")
    print(f"language model: {language.num_hidden_layers} layers, width {language.hidden_size}, LoRA {language.lora}")
    print(f"vision: {vision.depth} layers, width {vision.dim}; {plan.config.perceiver.latents} latents per volume")
    for misfit in plan.misfits:
        print(misfit)
    print(f"{len(plan.misfits)} tensors do not fit." if plan.misfits else "All tensors fit.")
    _print_differences(plan)


def _print_differences(plan: ConversionPlan) -> None:
    """Print differences from the published model; a checkpoint missing its last layers looks like a smaller model."""
    from reg2rg.checkpoints.convert.infer_config import list_differences

    if differences := list_differences(plan.config):
        print(f"Differs from the published model: {', '.join(differences)}.", file=sys.stderr)


@models.command()
def new(
    language: Annotated[
        Path,
        typer.Option("--language", metavar="GGUF|FOLDER", help="GGUF file, or folder in transformers format."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Model folder to write.")],
    like: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Model whose vision architecture to copy; by default, the published model."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed of the new weights.", min=0, max=MAX_SEED)] = 0,
) -> None:
    """Create an untrained model around a language model, with new vision weights and LoRA."""
    from reg2rg.checkpoints import ModelFolder
    from reg2rg.checkpoints.new_model import create_model
    from reg2rg.hub import find_model
    from reg2rg.models.config import ModelConfig

    base = ModelConfig() if like is None else ModelFolder.open(find_model(like)).config
    create_model(language, output, base, seed)
    print(output)


@models.command()
def add(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Model to add. If omitted, list the catalog.")
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="FOLDER", help="Folder that contains the files; nothing is downloaded."),
    ] = None,
    tokenizer: Tokenizer = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Add a model from the catalog: download its files, or take them from a folder."""
    from reg2rg.cli.progress import show_progress
    from reg2rg.hub import user_models_folder
    from reg2rg.hub.catalog import describe_entry, find_entry, list_entries
    from reg2rg.hub.install import install_model

    if name is None:
        print("\n".join(describe_entry(entry) for entry in list_entries()))
        return
    entry = find_entry(name)
    print(describe_entry(entry), file=sys.stderr)
    if not yes:
        action = f"Download {entry.num_bytes / 1e6:,.0f} MB" if source is None else f"Take the files from {source}"
        _confirm(f"{action} and install the model in {user_models_folder()} under these terms?")
    messages: list[str] = []
    try:
        with show_progress() as progress:
            folder = install_model(
                entry, source=source, tokenizer=tokenizer, progress=progress, on_message=messages.append
            )
    except KeyboardInterrupt:
        print("The data received so far is kept; the same command resumes the download.", file=sys.stderr)
        raise
    print(*messages, sep="\n", file=sys.stderr)
    print(folder)


@models.command()
def sign(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model folder, or name of an installed model.")],
) -> None:
    """Renew the checksums of a model folder after its files were edited."""
    from reg2rg.checkpoints import ModelFolder, checksums
    from reg2rg.hub import find_model

    folder = find_model(model)
    ModelFolder.open(folder)
    print("\n".join(checksums.sign(folder)) or "Nothing has changed.", file=sys.stderr)
    print(folder)


def _confirm(question: str) -> None:
    from reg2rg.errors import InputError

    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort:  # standard input is closed
        agreed = False
    if not agreed:
        raise InputError("Not confirmed; nothing was done. Use --yes to confirm.")
