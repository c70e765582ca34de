"""Write a model folder."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from reg2rg.checkpoints.assembly import expected_shapes
from reg2rg.checkpoints.checksums import write_checksums
from reg2rg.checkpoints.model_folder import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.runtime.staging import apply_umask


def save_model(model: Reg2RG, folder: Path, *, dtype: torch.dtype | None = torch.float32, card: str) -> None:
    """Write a model folder.

    Weights keep the published tensor names. Tensors that share memory are stored once.

    Args:
        model: the model, with its tokenizer.
        folder: the folder; created if it does not exist.
        dtype: type to store the weights in; None keeps the type of each tensor.
        card: content of MODEL_CARD.md.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = model.state_dict()
    tensors = {name: state[name].detach().to("cpu", dtype).contiguous() for name in expected_shapes(model)}
    save_file(tensors, folder / WEIGHTS_FILE)
    apply_umask([folder / WEIGHTS_FILE])
    (folder / CONFIG_FILE).write_text(json.dumps(model.config.to_dict(), indent=2) + "\n")
    model.tokenizer.save_pretrained(folder)
    (folder / CARD_FILE).write_text(card)
    write_checksums(folder)
