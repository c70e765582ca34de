"""The outputs of a frozen vision transformer, computed once per case and kept on disk.

The system's page cache keeps in memory whatever fits. A training run that resumes after being killed finds everything
that it computed earlier.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import math
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from reg2rg.models.config import ModelConfig
from reg2rg.models.cue_encoder import Cues
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.regions import REGION_NAMES
from reg2rg.runtime.staging import staged_output
from reg2rg.training.case_cache import CaseCache
from reg2rg.training.losses import CachedFeatures, compute_features

_CUE_FIELDS = tuple(field.name for field in dataclasses.fields(Cues))


class FeatureCache:
    """Features of the cases, by case index.

    Attributes:
        folder: folder of the features. Its name is a hash of the weights that computed them.
    """

    def __init__(self, model: Reg2RG, cases: CaseCache, folder: Path) -> None:
        """Create the cache.

        Args:
            model: computes the features.
            cases: the cases.
            folder: parent folder, which can be shared with caches for other weights.
        """
        self._model, self._cases = model, cases
        self.folder = folder / _hash_weights(model)

    def __getitem__(self, index: int) -> CachedFeatures:
        file = self.folder / f"{index}.safetensors"
        with contextlib.suppress(FileNotFoundError, SafetensorError):  # missing or damaged: it is computed again
            return _from_tensors(load_file(file))
        features = self._compute(index)
        with staged_output(self.folder) as staging:
            save_file(_to_tensors(features), staging / file.name)
        return features

    @torch.no_grad()
    def _compute(self, index: int) -> CachedFeatures:
        return compute_features(self._model, self._cases[index])


def feature_bytes(config: ModelConfig) -> int:
    """Estimate the size on disk, in bytes, of the features of a case with all regions."""
    preprocessing = config.preprocessing
    sizes = [preprocessing.image_size, *(preprocessing.texture_size_of(region) for region in REGION_NAMES)]
    tokens = sum(math.prod(size) // math.prod(config.vision.patch_size) for size in sizes)
    return 2 * tokens * config.vision.dim


def _to_tensors(features: CachedFeatures) -> dict[str, torch.Tensor]:
    tensors = {"image": features.image, **{f"tokens.{i:02d}": tokens for i, tokens in enumerate(features.tokens)}}
    if features.cues is not None:
        tensors |= {f"cues.{name}": getattr(features.cues, name) for name in _CUE_FIELDS}
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def _from_tensors(tensors: dict[str, torch.Tensor]) -> CachedFeatures:
    cues = Cues(*(tensors[f"cues.{name}"] for name in _CUE_FIELDS)) if "cues.priority" in tensors else None
    tokens = tuple(tensors[name] for name in sorted(tensors) if name.startswith("tokens."))
    return CachedFeatures(tensors["image"], tokens, cues)


def _hash_weights(model: Reg2RG) -> str:
    """Return a hash of the weights that the features depend on, and of how they compute."""
    encoder = model.embedding_layer
    digest = hashlib.sha256(repr((model.config.vision, model.config.findings)).encode())
    for module in (encoder.vision_encoder, encoder.finding_head):
        if module is None:
            continue
        for tensor in module.state_dict().values():
            digest.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
