"""Prepared training cases on disk.

A case is prepared once, by whichever process needs it first, and then read by all. It is a safetensors file of bytes
(one-channel crops: about 2.6 MB at the embedded model's sizes, 88 MB at the published sizes). The processes of a
training run pass only case indices to each other. The training process reads the file itself, which is in the system's
page cache by then.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from torch import Tensor
from torch.utils.data import Dataset

import reg2rg.preprocessing
import reg2rg.training.samples
from reg2rg.errors import InputError
from reg2rg.models.config import FindingConfig, ModelConfig
from reg2rg.regions import REGION_NAMES
from reg2rg.runtime.staging import staged_output
from reg2rg.training.datasets import CaseSource, hash_files
from reg2rg.training.samples import FindingTargets, RegionSample, TrainingCase, map_grid, text_targets

_ARRAYS = ("texture", "mask", "voxel_mm", "cells")


class CaseCache:
    """The cases of a source, by index: first those for training, then those for validation.

    Attributes:
        folder: folder of the prepared cases. Its name is a hash of everything that determines their content.
        training: indices of the training cases.
        validation: indices of the validation cases.
    """

    def __init__(self, source: CaseSource, config: ModelConfig, folder: Path) -> None:
        """Create the cache.

        Args:
            source: source that makes the cases.
            config: the model that the cases are prepared for.
            folder: parent folder, which several caches can share.
        """
        self._source = source
        self._config = config
        self._names = (*source.training, *source.validation)
        self.training = range(len(source.training))
        self.validation = range(len(source.training), len(self._names))
        self.folder = folder / _cache_key(source, config)

    def prepare(self, index: int) -> int:
        """Ensure that a case is on disk.

        Args:
            index: the case.

        Returns:
            Its index, or that of the next case of the same split if it cannot be used.

        Raises:
            InputError: no case of the split can be used.
        """
        split = self.training if index in self.training else self.validation
        for offset in range(len(split)):
            candidate = split[(index - split.start + offset) % len(split)]
            file = self._file(candidate)
            if not file.exists():
                self._make(candidate)
            _read_ahead(file)
            if self.problem(candidate) is None:
                return candidate
        raise InputError(f"None of the {len(split)} cases can be used. The first one: {self.problem(index)}")

    def problem(self, index: int) -> str | None:
        """Return why a prepared case cannot be used; None if it can."""
        with safe_open(self._file(index), "numpy") as file:
            return file.metadata().get("problem")

    def __getitem__(self, index: int) -> TrainingCase:
        """Return a case, with targets that the current version of the labeler reads from its texts."""
        index = self.prepare(index)
        with safe_open(self._file(index), "numpy") as file:
            stored = set(file.keys())
            regions = []
            for region, text in json.loads(file.metadata()["regions"]):
                arrays = {name: file.get_tensor(key) for name in _ARRAYS if (key := f"{name}.{region}") in stored}
                targets = _cached_targets(text, REGION_NAMES[region], self._config.findings)
                regions.append(
                    RegionSample(
                        region=region,
                        text=text,
                        texture=arrays["texture"],
                        mask=arrays["mask"],
                        voxel_mm=arrays["voxel_mm"],
                        cells=arrays.get("cells"),
                        **targets._asdict(),
                    )
                )
            return TrainingCase(file.get_tensor("image"), tuple(regions))

    def problems(self) -> dict[str, str]:
        """Return the names of prepared cases that cannot be used, each with the reason."""
        problems = {}
        for index, name in enumerate(self._names):
            problem = self.problem(index) if self._file(index).exists() else None
            if problem is not None:
                problems[name] = problem
        return problems

    def _make(self, index: int) -> None:
        """Prepare a case and write it; if it cannot be used, write the reason instead."""
        arrays: dict[str, np.ndarray] = {}
        try:
            case = self._source.make(self._names[index], self._config)
        except InputError as error:
            metadata = {"problem": str(error)}
        else:
            arrays["image"] = case.image
            for sample in case.regions:
                values = {name: getattr(sample, name) for name in _ARRAYS}
                arrays |= {f"{name}.{sample.region}": value for name, value in values.items() if value is not None}
            metadata = {"regions": json.dumps([(sample.region, sample.text) for sample in case.regions])}
        file = self._file(index)
        with staged_output(file.parent) as staging:
            save_file(arrays, staging / file.name, metadata)

    def _file(self, index: int) -> Path:
        return self.folder / f"{self._names[index]}.safetensors"


class CaseIndices(Dataset[int]):
    """A dataset of case indices. Each case is prepared, in a data loader's process, before its index is returned."""

    def __init__(self, cases: CaseCache, indices: Sequence[int]) -> None:
        self._cases, self._indices = cases, indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, item: int) -> int:
        return self._cases.prepare(self._indices[item])


def collate_indices(indices: Sequence[int]) -> dict[str, Tensor]:
    """Return case indices as a batch for the trainer."""
    return {"cases": torch.tensor(indices)}


def case_bytes(config: ModelConfig) -> int:
    """Estimate the size on disk, in bytes, of a prepared case with all regions."""
    preprocessing = config.preprocessing
    sizes = [preprocessing.image_size]
    for region in REGION_NAMES:
        sizes += [preprocessing.texture_size_of(region), preprocessing.mask_size, map_grid(config, region)]
    return sum(math.prod(size) for size in sizes)


def _cache_key(source: CaseSource, config: ModelConfig) -> str:
    """Return a hash of everything that determines the content of a prepared case."""
    settings = {
        "preprocessing": dataclasses.asdict(config.preprocessing),
        "labels": config.findings.labels if config.findings else None,
        "cells": (config.vision.stem, config.vision.patch_size),
        "source": source.fingerprint(),
        "code": hash_files(Path(reg2rg.preprocessing.__file__), Path(reg2rg.training.samples.__file__)),
    }
    return hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:16]


@functools.cache
def _cached_targets(text: str, region: str, findings: FindingConfig | None) -> FindingTargets:
    return text_targets(text, region, findings)


def _read_ahead(file: Path) -> None:
    """Ask the system to load the file into its page cache (Linux only)."""
    if sys.platform == "linux":
        with file.open("rb") as opened:
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
