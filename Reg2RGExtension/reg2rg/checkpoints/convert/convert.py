"""Convert the authors' checkpoint files to a model folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reg2rg.checkpoints.assembly import TIED, empty_model, expected_shapes
from reg2rg.checkpoints.checksums import sha256, write_checksums
from reg2rg.checkpoints.convert.infer_config import infer_config
from reg2rg.checkpoints.convert.key_mapping import map_keys
from reg2rg.checkpoints.convert.model_card import write_card
from reg2rg.checkpoints.convert.tensor_files import (
    StoredTensor,
    equal_values,
    list_tensors,
    read_blocks,
    write_safetensors,
)
from reg2rg.checkpoints.model_folder import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE, parse_config
from reg2rg.checkpoints.tokenizer import load_llama_tokenizer
from reg2rg.errors import InputError
from reg2rg.models.config import ModelConfig
from reg2rg.runtime.callbacks import ProgressCallback, ignore_progress
from reg2rg.runtime.disk_space import require_free_space
from reg2rg.runtime.staging import staged_output
from reg2rg.runtime.state_dict import Shape, list_misfits, refuse_misfits


@dataclass(frozen=True)
class ConversionPlan:
    """What a conversion would do.

    Attributes:
        files: all checkpoint files that are read.
        config: configuration of the model.
        tensors: our name -> stored tensor, in the order of writing.
        overridden: our names of tensors that are also in RadFM's files and are taken from the main checkpoint.
        misfits: one phrase per missing, unexpected or misshapen tensor. The plan can be carried out only if this is
            empty.
    """

    files: tuple[Path, ...]
    config: ModelConfig
    tensors: Mapping[str, StoredTensor]
    overridden: Sequence[str]
    misfits: Sequence[str]

    @property
    def num_bytes(self) -> int:
        """Size of the converted weights in bytes."""
        return sum(tensor.num_bytes for tensor in self.tensors.values())


def plan_conversion(checkpoints: Sequence[Path], *, name: str, config: Path | None = None) -> ConversionPlan:
    """Plan a conversion: identify every tensor in the checkpoint files.

    Only names and shapes are read, plus the values of the word embeddings if these are stored twice.

    Args:
        checkpoints: the main checkpoint and, for tensors that it lacks, RadFM's files, in any order.
        name: name of the model.
        config: a config.json to use instead of inferring sizes from tensor shapes.

    Returns:
        The plan.

    Raises:
        InputError: a file cannot be read, or the files contradict each other.
    """
    stored = [list_tensors(checkpoint) for checkpoint in checkpoints]
    mapping = map_keys(stored)
    shapes: dict[str, Shape] = {key: tensor.shape for key, tensor in mapping.tensors.items()}
    if config is None:
        head_dim = 2 * mapping.rotary.shape[0] if mapping.rotary and mapping.rotary.shape else None
        model_config = infer_config(shapes, name=name, head_dim=head_dim)
    else:
        model_config = replace(_read_config(config), name=name)
    misfits = list_misfits(_expected_shapes(model_config), shapes)
    if mapping.tied and not misfits and not equal_values(mapping.tied, _word_embeddings(mapping.tensors)):
        raise InputError(
            f"{mapping.tied.file}: {TIED} differs from the language model's word embeddings; Reg2RG has only one copy."
        )
    # Wide types come first, so that each tensor is aligned. Sorting by name makes equal weights give identical files.
    ordered = sorted(mapping.tensors.items(), key=lambda item: (-item[1].dtype.itemsize, item[0]))
    files = dict.fromkeys(tensor.file for tensors in stored for tensor in tensors)
    return ConversionPlan(tuple(files), model_config, dict(ordered), mapping.overridden, misfits)


def convert_checkpoint(
    plan: ConversionPlan, folder: Path, *, tokenizer: Path | None, progress: ProgressCallback = ignore_progress
) -> None:
    """Write the model folder. If anything fails, nothing is written.

    Args:
        plan: what to convert.
        folder: the model folder; it must not contain a model yet.
        tokenizer: folder with LLaMA's tokenizer, which checkpoints do not contain.
        progress: called with the fraction done and a message.

    Raises:
        InputError: the plan has misfits, the folder already contains a model, or the tokenizer cannot be used.
        Reg2RGError: the disk is too full.
    """
    refuse_misfits(plan.misfits, see_all=" (--check lists all of them)")
    if (folder / CONFIG_FILE).exists():
        raise InputError(f"{folder} already contains a model; choose another folder or name, or remove it first.")
    loaded_tokenizer = load_llama_tokenizer(tokenizer, plan.config)
    total = plan.num_bytes + sum(file.stat().st_size for file in plan.files)
    done = 0

    def count_bytes(message: str) -> Callable[[int], None]:
        def advance(num_bytes: int) -> None:
            nonlocal done
            done += num_bytes
            progress(done / total, message)

        return advance

    with staged_output(folder) as staging:
        require_free_space(folder, plan.num_bytes, "The model")
        sources = {file: sha256(file, count_bytes("Computing the checkpoint's checksum")) for file in plan.files}
        weights = write_safetensors(
            staging / WEIGHTS_FILE,
            plan.tensors,
            read_blocks(plan.tensors.values()),
            count_bytes("Writing the weights"),
        )
        (staging / CONFIG_FILE).write_text(json.dumps(plan.config.to_dict(), indent=2) + "\n")
        loaded_tokenizer.save_pretrained(staging)
        (staging / CARD_FILE).write_text(write_card(plan.config, plan.tensors, plan.overridden, sources))
        write_checksums(staging, {WEIGHTS_FILE: weights})


def _read_config(path: Path) -> ModelConfig:
    try:
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; --config expects a config.json as in a model folder.") from None
    return parse_config(content, str(path))


def _expected_shapes(config: ModelConfig) -> dict[str, Shape]:
    try:
        return expected_shapes(empty_model(config))
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"The sizes inferred from the checkpoint do not make a valid model ({error}); pass its config as "
            "--config FILE."
        ) from error


def _word_embeddings(tensors: Mapping[str, StoredTensor]) -> StoredTensor:
    return next(tensor for name, tensor in tensors.items() if name.endswith("embed_tokens.weight"))
