"""What a frozen vision transformer makes of each case, computed once and kept on disk.

The system keeps in memory what fits there (its page cache); a training that goes on after it was killed finds all that
was computed before.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from reg2rg.models.config import ModelConfig
from reg2rg.models.cue_encoder import Cues
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.regions import REGION_NAMES
from reg2rg.runtime.staging import staged_output
from reg2rg.training.case_cache import CaseStore
from reg2rg.training.losses import KeptVision, kept_vision

_CUES = tuple(field.name for field in dataclasses.fields(Cues))


class KeptStore:
    """Kept vision by the number of a case."""

    def __init__(self, model: Reg2RG, store: CaseStore, folder: Path) -> None:
        """``folder``: of all kept vision; that of other weights lies beside it, not in its place."""
        self._model, self._store = model, store
        self.folder = folder / _hash(model)

    def __getitem__(self, number: int) -> KeptVision:
        file = self.folder / f"{number}.safetensors"
        if not file.exists():
            with staged_output(self.folder) as staging:
                save_file(_flat(self._look(number)), staging / file.name)
        return _joined(load_file(file))

    @torch.no_grad()
    def _look(self, number: int) -> KeptVision:
        return kept_vision(self._model, self._store[number])


def kept_bytes(config: ModelConfig) -> int:
    """About what the kept vision of a case with all regions takes on disk."""
    preprocessing = config.preprocessing
    sizes = [preprocessing.image_size, *(preprocessing.texture_size_of(region) for region in REGION_NAMES)]
    tokens = sum(math.prod(size) // math.prod(config.vision.patch_size) for size in sizes)
    return 2 * tokens * config.vision.dim


def _flat(kept: KeptVision) -> dict[str, torch.Tensor]:
    tensors = {"image": kept.image, **{f"tokens.{i:02d}": tokens for i, tokens in enumerate(kept.tokens)}}
    if kept.cues is not None:
        tensors |= {f"cues.{name}": getattr(kept.cues, name) for name in _CUES}
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def _joined(tensors: dict[str, torch.Tensor]) -> KeptVision:
    cues = Cues(*(tensors[f"cues.{name}"] for name in _CUES)) if "cues.priority" in tensors else None
    tokens = tuple(tensors[name] for name in sorted(tensors) if name.startswith("tokens."))
    return KeptVision(tensors["image"], tokens, cues)


def _hash(model: Reg2RG) -> str:
    """Of the weights that kept vision depends on, and of how they compute."""
    encoder = model.embedding_layer
    digest = hashlib.sha256(repr((model.config.vision, model.config.findings)).encode())
    for module in (encoder.vision_encoder, encoder.finding_head):
        for tensor in module.state_dict().values() if module is not None else ():
            digest.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
