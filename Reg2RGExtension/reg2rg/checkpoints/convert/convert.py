"""The authors' checkpoint files become a model folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reg2rg.checkpoints.assembly import TIED, empty_model, expected_shapes
from reg2rg.checkpoints.checksums import sha256, write_checksums
from reg2rg.checkpoints.convert.infer_config import infer_config
from reg2rg.checkpoints.convert.key_mapping import assign_names
from reg2rg.checkpoints.convert.model_card import write_card
from reg2rg.checkpoints.convert.tensor_files import Stored, list_stored, read_blocks, same_values, write_safetensors
from reg2rg.checkpoints.model_folder import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE, parse_config
from reg2rg.checkpoints.tokenizer import load_tokenizer
from reg2rg.errors import InputError, Reg2RGError
from reg2rg.models.config import ModelConfig
from reg2rg.runtime.callbacks import ProgressCallback
from reg2rg.runtime.staging import staged_output
from reg2rg.runtime.state_dict import list_misfits, refuse_misfits

_PROBE = ". The region 0 is "
_PROBE_IDS = [869, 450, 5120, 29871, 29900, 338, 29871]
"""A piece of the prompt and its published ids (reference A.5): other forms of LLaMA's tokenizer give others."""

_LLAMA_VOCABULARY = 32000


@dataclass(frozen=True)
class ImportPlan:
    """What an import would do.

    Attributes:
        files: all files that are read.
        tensors: our name -> stored tensor, in the order of writing.
        overruled: our names of tensors that RadFM's files hold, too, and that the main checkpoint gives.
        misfits: one phrase for each tensor that is missing, extra or misshapen; only without any can it be carried out.
    """

    files: tuple[Path, ...]
    config: ModelConfig
    tensors: Mapping[str, Stored]
    overruled: Sequence[str]
    misfits: Sequence[str]

    @property
    def bytes(self) -> int:
        return sum(stored.bytes for stored in self.tensors.values())


def plan_import(checkpoints: Sequence[Path], *, name: str, config: Path | None = None) -> ImportPlan:
    """Look at checkpoint files and find out what each tensor is; only names, shapes and a tied pair are read.

    Args:
        checkpoints: the main checkpoint and, for what it lacks, RadFM's files, in any order.
        name: of the model.
        config: a config.json to be held to, where the published one and the shapes do not tell enough.
    """
    stored = [list_stored(checkpoint) for checkpoint in checkpoints]
    found = assign_names(stored)
    shapes = {name: tensor.shape for name, tensor in found.tensors.items()}
    if config is None:
        head_dim = 2 * found.rotary.shape[0] if found.rotary and found.rotary.shape else None
        chosen = infer_config(shapes, name=name, head_dim=head_dim)
    else:
        chosen = replace(_read_config(config), name=name)
    misfits = list_misfits(_expected_shapes(chosen), shapes)
    if found.tied and not misfits and not same_values(found.tied, _word_embeddings(found.tensors)):
        raise InputError(
            f"{found.tied.file}: {TIED} differs from the language model's word embeddings; they are one in this model."
        )
    # Wide types first, so that each tensor is aligned; then by name, so that the same weights make the same file.
    ordered = sorted(found.tensors.items(), key=lambda item: (-item[1].dtype.itemsize, item[0]))
    files = dict.fromkeys(tensor.file for tensors in stored for tensor in tensors)
    return ImportPlan(tuple(files), chosen, dict(ordered), found.overruled, misfits)


def import_checkpoint(plan: ImportPlan, folder: Path, *, tokenizer: Path | None, progress: ProgressCallback) -> None:
    """Write the model folder; on any failure nothing is written.

    Args:
        folder: must not hold a model yet.
        tokenizer: folder with LLaMA's tokenizer, which no checkpoint holds.
        progress: called with the fraction done and the current step.
    """
    refuse_misfits(plan.misfits, see_all=" (--check lists them all)")
    if (folder / CONFIG_FILE).exists():
        raise InputError(f"{folder} holds a model already; choose another folder or name, or remove it first.")
    words = load_llama_tokenizer(tokenizer, plan.config)
    total = plan.bytes + sum(file.stat().st_size for file in plan.files)
    done = 0

    def advance(message: str) -> Callable[[int], None]:
        def count_bytes(count: int) -> None:
            nonlocal done
            done += count
            progress(done / total, message)

        return count_bytes

    with staged_output(folder) as staging:
        _check_space(staging, plan.bytes)
        sources = {file: sha256(file, advance("Reading the checkpoint's checksum")) for file in plan.files}
        blocks = read_blocks(plan.tensors.values())
        weights = write_safetensors(staging / WEIGHTS_FILE, plan.tensors, blocks, advance("Writing the weights"))
        (staging / CONFIG_FILE).write_text(json.dumps(plan.config.to_dict(), indent=2) + "\n")
        words.save_pretrained(staging)
        (staging / CARD_FILE).write_text(write_card(plan.config, plan.tensors, plan.overruled, sources))
        write_checksums(staging, {WEIGHTS_FILE: weights})


def load_llama_tokenizer(folder: Path | None, config: ModelConfig) -> Any:
    """The tokenizer in a folder; InputError if there is none or the published prompt would get other ids by it."""
    if folder is None or not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model")):
        given = "No tokenizer was given" if folder is None else f"{folder} holds no tokenizer.model or tokenizer.json"
        raise InputError(
            f"{given}. The checkpoint needs LLaMA-2's, which is gated: accept Meta's licence at "
            "https://huggingface.co/meta-llama/Llama-2-7b-chat-hf, save tokenizer.model, tokenizer_config.json and "
            "special_tokens_map.json from there in a folder, and give it as --tokenizer FOLDER."
        )
    try:
        tokenizer = load_tokenizer(folder)
        special = tokenizer.bos_token_id, tokenizer.eos_token_id
        probe = tokenizer.encode(_PROBE, add_special_tokens=False)
    except Exception as error:  # each kind of tokenizer file fails in its own way
        raise InputError(f"The tokenizer in {folder} cannot be read ({type(error).__name__}: {error}).") from error
    vocabulary = config.language.vocab_size
    if len(tokenizer) > vocabulary or special != (1, 2):
        raise InputError(
            f"The tokenizer in {folder} has {len(tokenizer)} tokens and marks begin and end with {special}; this "
            f"checkpoint needs at most {vocabulary} and (1, 2)."
        )
    if vocabulary == _LLAMA_VOCABULARY and probe != _PROBE_IDS:
        raise InputError(
            f"The tokenizer in {folder} is not LLaMA-2's, or not in its fast form: {_PROBE!r} becomes {probe}, "
            f"expected {_PROBE_IDS}."
        )
    return tokenizer


def _word_embeddings(tensors: Mapping[str, Stored]) -> Stored:
    return next(tensor for name, tensor in tensors.items() if name.endswith("embed_tokens.weight"))


def _expected_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    try:
        return expected_shapes(empty_model(config))
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"The sizes read from the checkpoint make no model ({error}); give its config as --config FILE."
        ) from error


def _read_config(path: Path) -> ModelConfig:
    try:
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; --config expects a file like a model folder's config.json.") from None
    return parse_config(content, str(path))


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise Reg2RGError(
            f"The model takes {needed / 1e9:.1f} GB, but only {free / 1e9:.1f} GB are free in {folder.parent}; "
            "free some space or choose another folder."
        )
