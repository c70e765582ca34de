"""Model folders: config.json, model.safetensors, the tokenizer, MODEL_CARD.md and the checksums of them all.

Weights keep the published tensor names. The word embeddings, twice in the published state dict, are stored once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from reg2rg.checkpoints.assembly import TIED, Shape, assemble
from reg2rg.checkpoints.checksums import CHECKSUMS_FILE, read_checksums, sha256, write_checksums
from reg2rg.errors import InputError
from reg2rg.models.config import ModelConfig
from reg2rg.models.reg2rg import Reg2RG

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "MODEL_CARD.md"


def save_model(model: Reg2RG, folder: Path, *, dtype: torch.dtype | None = torch.float32, card: str) -> None:
    """Write a model folder; weights are stored as ``dtype``, or as they are if None. ``card``: MODEL_CARD.md's text."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: t.detach().to("cpu", dtype).contiguous() for name, t in model.state_dict().items() if name != TIED}
    save_file(_without_shared_storage(tensors, model), folder / WEIGHTS_FILE)
    (folder / CONFIG_FILE).write_text(json.dumps(model.config.to_dict(), indent=2) + "\n")
    model.tokenizer.save_pretrained(folder)
    (folder / CARD_FILE).write_text(card)
    write_checksums(folder)


def load_model(folder: Path, device: str = "cpu", precision: str = "fp32") -> Reg2RG:
    """The model of a verified folder, in evaluation mode; InputError says what is missing or damaged.

    Weights go from the file into their place one by one: memory never holds more than the model and one tensor.
    """
    verify_model(folder)
    config = read_config(folder)
    try:
        shapes, read = _open_weights(folder / WEIGHTS_FILE)
        model = assemble(config, shapes, read, device, precision)
    except SafetensorError as error:
        raise InputError(f"{folder / WEIGHTS_FILE} is not a readable safetensors file ({error}).") from error
    model.tokenizer = _load_tokenizer(folder)
    return model.eval()


def load_state(config: ModelConfig, state: dict[str, Tensor]) -> Reg2RG:
    """A model of this config holding these tensors as float32; InputError lists those that do not fit."""
    return assemble(config, {name: tuple(tensor.shape) for name, tensor in state.items()}, state.__getitem__)


def read_config(folder: Path) -> ModelConfig:
    """The configuration of a model folder."""
    path = folder / CONFIG_FILE
    try:
        return ModelConfig.from_dict(json.loads(path.read_text()))
    except FileNotFoundError:
        raise InputError(
            f"{folder} is no model folder: it holds no {CONFIG_FILE}. `reg2rg models` lists models."
        ) from None
    except ValueError as error:
        raise InputError(f"{path} is not readable as JSON ({error}).") from error


def verify_model(folder: Path) -> None:
    """Compare every file with its checksum; InputError names the first that is missing or differs."""
    read_config(folder)
    for name, expected in _checksums(folder).items():
        path = folder / name
        if not path.is_file():
            raise InputError(f"{path} is missing from the model folder; copy or fetch the model again.")
        if sha256(path) != expected:
            raise InputError(
                f"{path} is damaged: its SHA-256 differs from {CHECKSUMS_FILE}; copy or fetch the model again."
            )


def model_hash(folder: Path) -> str:
    """SHA-256 of the weights, as the folder's checksums state it."""
    return _checksums(folder)[WEIGHTS_FILE]


def _checksums(folder: Path) -> dict[str, str]:
    checksums = read_checksums(folder)
    if WEIGHTS_FILE not in checksums:
        raise InputError(f"{folder / CHECKSUMS_FILE} does not list {WEIGHTS_FILE}.")
    return checksums


def _open_weights(path: Path) -> tuple[dict[str, Shape], Callable[[str], Tensor]]:
    """Shapes of the tensors in a safetensors file, and what reads one of them.

    The file is opened anew for each: what has been read through one mapping would count as our memory until its end.
    """

    def read(name: str) -> Tensor:
        with safe_open(path, "pt") as file:
            return file.get_tensor(name)

    with safe_open(path, "pt") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}, read


def _without_shared_storage(tensors: dict[str, Tensor], model: Reg2RG) -> dict[str, Tensor]:
    """Leave out the output head where it is the word embedding itself."""
    if not model.config.language.tie_word_embeddings:
        return tensors
    return {name: tensor for name, tensor in tensors.items() if not name.endswith("lm_head.weight")}


def _load_tokenizer(folder: Path) -> Any:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True)
