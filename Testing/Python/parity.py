"""The closed formulas behind ../shared/reference/parity: reproducible weights, volumes and masks."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reg2rg.checkpoints.assembly import assemble
from reg2rg.models.config import LanguageConfig, ModelConfig, VisionConfig
from reg2rg.models.reg2rg import Reg2RG


def small_config() -> ModelConfig:
    """Return the published architecture at the size of small.json."""
    return ModelConfig(
        name="parity",
        vision=VisionConfig(dim=48),
        language=LanguageConfig(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
                                num_key_value_heads=4),
    )  # fmt: skip


def state(shared: Path) -> dict[str, Tensor]:
    """Compute all tensors of small.json, under the published names."""
    shapes = json.loads((shared / "reference/parity/small.json").read_text())["state_dict_shapes"]
    tied = next(name for name in shapes if name.endswith("embed_tokens.weight"))
    return {name: weight(tied if name == "embedding_layer.weight" else name, s) for name, s in shapes.items()}


def load_state(config: ModelConfig, state: dict[str, Tensor]) -> Reg2RG:
    """Build a float32 model of a configuration from a state dict."""
    return assemble(config, {name: tuple(tensor.shape) for name, tensor in state.items()}, state.__getitem__)


def weight(key: str, shape: list[int]) -> Tensor:
    """Compute the tensor of a name."""
    seed = zlib.crc32(key.encode()) % 9973
    v = np.sin((np.arange(int(np.prod(shape))) % 100003) * 0.7391 + seed)
    if len(shape) == 1:
        v = 1 + 0.1 * v if key.endswith(".weight") else 0.05 * v
    else:
        v = 1.5 * v / np.sqrt(shape[-1])
    return torch.from_numpy(v.astype(np.float32).reshape(shape))


def volume(r: int) -> Tensor:
    """Compute volume r (256, 256, 64): 0 is the whole image, 1 and 2 are the first and second slot."""
    h, w, d = np.ogrid[:256, :256, :64]
    return torch.from_numpy(np.sin(0.11 * h + 0.07 * w + 0.05 * d + r).astype(np.float32))


def mask(r: int) -> Tensor:
    """Compute mask r (256, 256, 64)."""
    h, w, d = np.ogrid[:256, :256, :64]
    inside = ((h - 128 - 5 * r) / 60) ** 2 + ((w - 128) / 50) ** 2 + ((d - 32) / 20) ** 2 < 1
    return torch.from_numpy(inside.astype(np.float32))
