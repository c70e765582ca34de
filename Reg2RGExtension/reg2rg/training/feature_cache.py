"""The outputs of a frozen vision transformer, computed once per case and kept on disk.

The system's page cache keeps in memory whatever fits. A training run that resumes after being killed finds everything
that it computed earlier.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import math
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Generic, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from reg2rg.models.config import ModelConfig
from reg2rg.models.cue_encoder import Cues
from reg2rg.models.finding_head import Sighting
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.regions import REGION_NAMES
from reg2rg.runtime.staging import staged_output
from reg2rg.training.case_cache import CaseCache
from reg2rg.training.losses import CachedFeatures, SeenCase, compute_features, features_of, look

_CUE_FIELDS = tuple(field.name for field in dataclasses.fields(Cues))
_SIGHTING_FIELDS = ("tokens", "odds", "evidence")


T = TypeVar("T")
Tensors = dict[str, torch.Tensor]


class _TensorCache(ABC, Generic[T]):
    """What a model computes for each case, by case index.

    Attributes:
        folder: folder of the files. Its name is a hash of the weights that computed them.
    """

    def __init__(self, model: Reg2RG, cases: CaseCache, folder: Path) -> None:
        """Create the cache.

        Args:
            model: computes the content.
            cases: the cases.
            folder: parent folder, which can be shared with caches for other weights.
        """
        self._model, self._cases = model, cases
        self.folder = folder / f"{type(self).__name__}-{_hash_weights(model)}"

    def __getitem__(self, index: int) -> T:
        file = self.folder / f"{index}.safetensors"
        with contextlib.suppress(FileNotFoundError, SafetensorError):  # missing or damaged: it is computed again
            return self._from_tensors(load_file(file))
        with torch.no_grad():
            content = self._compute(index)
        with staged_output(self.folder) as staging:
            tensors = {name: tensor.contiguous() for name, tensor in self._to_tensors(content).items()}
            save_file(tensors, staging / file.name)
        return content

    @abstractmethod
    def _compute(self, index: int) -> T: ...
    @abstractmethod
    def _to_tensors(self, content: T) -> Tensors: ...
    @abstractmethod
    def _from_tensors(self, tensors: Tensors) -> T: ...


class SightingCache(_TensorCache[SeenCase]):
    """What a frozen vision transformer and finding map show of the cases."""

    def _compute(self, index: int) -> SeenCase:
        return look(self._model, self._cases[index])

    def _to_tensors(self, content: SeenCase) -> Tensors:
        tensors = {"image": content.image}
        for number, sighting in enumerate(content.sightings):
            fields = {name: getattr(sighting, name) for name in _SIGHTING_FIELDS}
            tensors |= {f"{name}.{number:02d}": tensor for name, tensor in fields.items() if tensor is not None}
        return tensors

    def _from_tensors(self, tensors: Tensors) -> SeenCase:
        numbers = sorted(name.partition(".")[2] for name in tensors if name.startswith("tokens."))
        sightings = (
            Sighting(tensors[f"tokens.{number}"], tensors.get(f"odds.{number}"), tensors[f"evidence.{number}"])
            for number in numbers
        )
        return SeenCase(tensors["image"], tuple(sightings))


class FeatureCache(_TensorCache[CachedFeatures]):
    """The features of the cases, computed from what was seen in them if that is cached as well."""

    def __init__(self, model: Reg2RG, cases: CaseCache, folder: Path, seen: SightingCache | None = None) -> None:
        super().__init__(model, cases, folder)
        self._seen = seen

    def _compute(self, index: int) -> CachedFeatures:
        if self._seen is None:
            return compute_features(self._model, self._cases[index])
        return features_of(self._model, self._cases[index], self._seen[index])

    def _to_tensors(self, content: CachedFeatures) -> Tensors:
        tensors = {"image": content.image, **{f"tokens.{i:02d}": tokens for i, tokens in enumerate(content.tokens)}}
        if content.cues is not None:
            tensors |= {f"cues.{name}": getattr(content.cues, name) for name in _CUE_FIELDS}
        return tensors

    def _from_tensors(self, tensors: Tensors) -> CachedFeatures:
        cues = Cues(*(tensors[f"cues.{name}"] for name in _CUE_FIELDS)) if "cues.priority" in tensors else None
        tokens = tuple(tensors[name] for name in sorted(tensors) if name.startswith("tokens."))
        return CachedFeatures(tensors["image"], tokens, cues)


def feature_bytes(config: ModelConfig) -> int:
    """Estimate the size on disk, in bytes, of the features of a case with all regions."""
    preprocessing = config.preprocessing
    sizes = [preprocessing.image_size, *(preprocessing.texture_size_of(region) for region in REGION_NAMES)]
    tokens = sum(math.prod(size) // math.prod(config.vision.patch_size) for size in sizes)
    return 2 * tokens * config.vision.dim


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
