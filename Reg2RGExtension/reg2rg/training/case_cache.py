"""Prepared cases on disk: made once, by whichever process needs one first, and read by all.

A case is a safetensors file of bytes (crops of one channel, about 2.6 MB at the embedded model's sizes, 88 MB at the
published ones). What crosses between the processes of a training is the number of a case: the training reads the file
itself, which is in the page cache by then.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path

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
from reg2rg.training.datasets import CaseSource, code_hash
from reg2rg.training.samples import RegionSample, TrainingCase, map_grid, targets_of_text

_ARRAYS = ("texture", "mask", "voxel_mm", "cells")


class CaseStore:
    """The cases of a source, by number: first those for training, then those for validation.

    Attributes:
        folder: where they are kept; its name says how they were prepared.
        training, validation: numbers of the cases.
    """

    def __init__(self, source: CaseSource, config: ModelConfig, cache: Path) -> None:
        self._source = source
        self._config = config
        self._names = (*source.training, *source.validation)
        self.training = range(len(source.training))
        self.validation = range(len(source.training), len(self._names))
        self.folder = cache / _key(source, config)

    def prepare(self, number: int) -> int:
        """See to it that a case is on disk; return its number, or that of the next one that can be used.

        Raises InputError if no case of its split can be used.
        """
        split = self.training if number in self.training else self.validation
        for step in range(len(split)):
            candidate = split[(number - split.start + step) % len(split)]
            file = self._file(candidate)
            if not file.exists():
                self._make(candidate)
            _read_ahead(file)
            if self.problem(candidate) is None:
                return candidate
        raise InputError(f"None of the {len(split)} cases can be used; the first: {self.problem(number)}")

    def problem(self, number: int) -> str | None:
        """Why a prepared case cannot be used, if it cannot."""
        with safe_open(self._file(number), "numpy") as file:
            return file.metadata().get("problem")

    def __getitem__(self, number: int) -> TrainingCase:
        """A case; its targets are read out of its texts by the reader of findings as it is now."""
        number = self.prepare(number)
        with safe_open(self._file(number), "numpy") as file:
            told, names = json.loads(file.metadata()["regions"]), set(file.keys())
            regions = []
            for region, text in told:
                arrays = {name: file.get_tensor(f"{name}.{region}") for name in _ARRAYS if f"{name}.{region}" in names}
                labels, sides, levels, sizes = _targets(text, REGION_NAMES[region], self._config.findings)
                regions.append(
                    RegionSample(
                        region=region,
                        text=text,
                        labels=labels,
                        sides=sides,
                        levels=levels,
                        sizes=sizes,
                        **{"cells": None, **arrays},
                    )
                )
            return TrainingCase(file.get_tensor("image"), tuple(regions))

    def problems(self) -> dict[str, str]:
        """Name -> why it cannot be used, of the cases that have been prepared."""
        prepared = [number for number in range(len(self._names)) if self._file(number).exists()]
        found = {self._names[number]: self.problem(number) for number in prepared}
        return {name: problem for name, problem in found.items() if problem is not None}

    def _make(self, number: int) -> None:
        try:
            case = self._source.make(self._names[number], self._config)
        except InputError as error:
            arrays, metadata = {}, {"problem": str(error)}
        else:
            arrays = {"image": case.image}
            for sample in case.regions:
                values = {name: getattr(sample, name) for name in _ARRAYS}
                arrays |= {f"{name}.{sample.region}": value for name, value in values.items() if value is not None}
            metadata = {"regions": json.dumps([(sample.region, sample.text) for sample in case.regions])}
        file = self._file(number)
        with staged_output(file.parent) as staging:
            save_file(arrays, staging / file.name, metadata)

    def _file(self, number: int) -> Path:
        return self.folder / f"{self._names[number]}.safetensors"


class CaseNumbers(Dataset):
    """Numbers of cases, each prepared before it is given: what a data loader's processes run."""

    def __init__(self, store: CaseStore, numbers: Sequence[int]) -> None:
        self._store, self._numbers = store, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: int) -> int:
        return self._store.prepare(self._numbers[index])


def collate_numbers(numbers: Sequence[int]) -> dict[str, Tensor]:
    """A batch for the trainer."""
    return {"cases": torch.tensor(numbers)}


def case_bytes(config: ModelConfig) -> int:
    """About what a prepared case with all regions takes on disk."""
    preprocessing = config.preprocessing
    sizes = [preprocessing.image_size]
    for region in REGION_NAMES:
        sizes += [preprocessing.texture_size_of(region), preprocessing.mask_size, map_grid(config, region)]
    return sum(math.prod(size) for size in sizes)


def _key(source: CaseSource, config: ModelConfig) -> str:
    """Stands for all that decides what is in a prepared case."""
    described = {
        "preprocessing": dataclasses.asdict(config.preprocessing),
        "labels": config.findings and config.findings.labels,
        "cells": (config.vision.stem, config.vision.patch_size),
        "source": source.fingerprint(),
        "code": code_hash(Path(reg2rg.preprocessing.__file__), Path(reg2rg.training.samples.__file__)),
    }
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()[:16]


@functools.cache
def _targets(text: str, region: str, findings: FindingConfig | None) -> tuple:
    return targets_of_text(text, region, findings)


def _read_ahead(file: Path) -> None:
    """Ask the system to have the file in memory by the time it is read."""
    if hasattr(os, "posix_fadvise"):
        with file.open("rb") as opened:
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
