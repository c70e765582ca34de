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
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save, save_file
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

import reg2rg.preprocessing
import reg2rg.training.samples
from reg2rg.errors import InputError, Reg2RGError
from reg2rg.models.config import FindingConfig, ModelConfig
from reg2rg.pipeline.failures import as_failure
from reg2rg.regions import REGION_NAMES
from reg2rg.runtime.staging import staged_output
from reg2rg.training.case_order import CaseOrder
from reg2rg.training.config import MessageCallback
from reg2rg.training.datasets import CaseSource, hash_files
from reg2rg.training.processes import Processes
from reg2rg.training.samples import FindingTargets, RegionSample, TrainingCase, map_grid, text_targets

_SECONDS_BETWEEN_MESSAGES = 30.0
Arrays = dict[str, np.ndarray]

_ARRAYS = ("texture", "mask", "voxel_mm", "scalars", "cells")


class CaseCache:
    """The cases of a source, by index.

    Attributes:
        key: hash of everything that determines the content of the prepared cases.
        folder: folder of the prepared cases, named after the key.
        training: indices of the training cases.
        validation: indices of the validation cases.
        problems: names of the cases that were left out, each with the reason.
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
        self.training: Sequence[int] = range(len(source.training))
        self.validation: Sequence[int] = range(len(source.training), len(self._names))
        self.problems: dict[str, str] = {}
        self.key = cache_key(source, config)
        self.folder = folder / self.key

    def prepare(self, index: int) -> None:
        """Ensure that a case is on disk. A damaged file is made again.

        Args:
            index: the case.

        Raises:
            InputError: the case cannot be used.
        """
        file = self._file(index)
        if not _is_intact(file):
            arrays, metadata = self._make(index)
            with staged_output(file.parent) as staging:
                save_file(arrays, staging / file.name, metadata)
        _read_ahead(file)

    def count_missing(self) -> int:
        """Count the cases that still have to be prepared."""
        return len(self._names) - sum(1 for _ in self.folder.glob("*.safetensors"))

    def leave_out(self, problems: Mapping[int, str]) -> None:
        """Remove cases that cannot be used.

        Args:
            problems: index -> reason.

        Raises:
            InputError: none of the training cases remains, or none of the validation cases if there were some.
        """
        self.problems |= {self._names[index]: problem for index, problem in problems.items()}
        self.training = self._usable(self.training, problems, "training")
        self.validation = self._usable(self.validation, problems, "validation")

    def _usable(self, indices: Sequence[int], problems: Mapping[int, str], split: str) -> list[int]:
        usable = [index for index in indices if index not in problems]
        if indices and not usable:
            first = f"{self._names[indices[0]]}: {problems[indices[0]]}"
            raise InputError(f"None of the {len(indices)} {split} cases can be used. The first one, {first}")
        return usable

    def name(self, index: int) -> str:
        """Return the name of a case."""
        return self._names[index]

    def kind(self, index: int) -> str:
        """Return which kind of volume a case has."""
        return self._source.kind(self._names[index])

    def __getitem__(self, index: int) -> TrainingCase:
        """Return a case, with targets that the current version of the labeler reads from its texts."""
        stored, metadata = self._load(index)
        statements = self._source.statements(self._names[index])
        regions = []
        for region, text, unknown in json.loads(metadata["regions"]):
            arrays = {name: stored[key] for name in _ARRAYS if (key := f"{name}.{region}") in stored}
            targets = _cached_targets(text, REGION_NAMES[region], self._config.findings, tuple(unknown))
            targets = _with_statements(targets, self._config.findings, statements.get(REGION_NAMES[region], {}))
            regions.append(
                RegionSample(
                    region=region,
                    text=text,
                    unknown=tuple(unknown),
                    texture=arrays["texture"],
                    mask=arrays["mask"],
                    voxel_mm=arrays["voxel_mm"],
                    scalars=arrays["scalars"],
                    cells=arrays.get("cells"),
                    **targets._asdict(),
                )
            )
        return TrainingCase(stored["image"], tuple(regions))

    def encoded(self, index: int) -> bytes:
        """Return a case as the content of its file, which need not exist.

        Args:
            index: the case.

        Raises:
            InputError: the case cannot be used.
        """
        file = self._file(index)
        return file.read_bytes() if _is_intact(file) else save(*self._make(index))

    def order(self, count: int, batch_size: int, seed: int) -> CaseOrder:
        """Return the order in which the first training cases are read.

        Args:
            count: number of cases.
            batch_size: cases per batch.
            seed: random seed.

        Returns:
            A sampler of positions in ``training``.
        """
        return CaseOrder(count, seed)

    def _load(self, index: int) -> tuple[Arrays, Mapping[str, str]]:
        """Return the arrays and the metadata of a case."""
        self.prepare(index)
        with safe_open(self._file(index), "numpy") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata()

    def _make(self, index: int) -> tuple[Arrays, dict[str, str]]:
        """Make the arrays and the metadata of a case."""
        case = self._source.make(self._names[index], self._config)
        arrays: Arrays = {"image": case.image}
        for sample in case.regions:
            values = {name: getattr(sample, name) for name in _ARRAYS}
            arrays |= {f"{name}.{sample.region}": value for name, value in values.items() if value is not None}
        return arrays, {"regions": json.dumps([(s.region, s.text, s.unknown) for s in case.regions])}

    def _file(self, index: int) -> Path:
        return self.folder / f"{self._names[index]}.safetensors"


class PreparationError(Reg2RGError):
    """A case could not be prepared for a reason other than the case itself."""

    def __init__(self, message: str) -> None:
        """Take a message. torch passes errors on from other processes with a traceback before it, which is removed."""
        super().__init__(message.rpartition(f"{type(self).__name__}: ")[2].strip())


class UnusableCaseError(PreparationError, InputError):
    """A case could not be prepared because of the case itself."""


class CaseIndices(Dataset[int]):
    """A dataset of case indices. Each case is prepared, in a data loader's process, before its index is returned."""

    def __init__(self, cases: CaseCache, indices: Sequence[int]) -> None:
        self._cases, self._indices = cases, indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, item: int) -> int:
        end_with_parent(os.getpid())
        try:
            self._cases.prepare(self._indices[item])
        except InputError as error:
            raise UnusableCaseError(str(error)) from error
        except Exception as error:  # a full disk, for example
            raise PreparationError(as_failure(error).message) from error
        return self._indices[item]


class CaseProblems(CaseIndices):
    """The same dataset, but of indices and the reasons why cases cannot be used; empty for those that can."""

    def __getitem__(self, item: int) -> tuple[int, str]:  # type: ignore[override]
        try:
            return super().__getitem__(item), ""
        except InputError as error:
            return self._indices[item], str(error)


def prepare_all(
    cases: CaseCache, workers: int, on_message: MessageCallback, processes: Processes | None = None
) -> None:
    """Prepare all cases, and leave out those that cannot be used.

    Args:
        cases: the cases.
        workers: number of worker processes that prepare them.
        on_message: called with a line per case that cannot be used, and with the progress.
        processes: the processes of the training run, each of which prepares its share; None if there is only one.

    Raises:
        InputError: no case can be used.
    """
    indices: Sequence[int] = [*cases.training, *cases.validation]
    if processes is not None:
        indices = processes.share(indices)
    problems: dict[int, str] = {}
    loader = DataLoader(CaseProblems(cases, indices), batch_size=None, num_workers=workers)
    reported_at = time.monotonic()
    for done, (index, problem) in enumerate(loader, start=1):
        if problem:
            problems[int(index)] = problem
            on_message(_problem(cases, int(index), problem))
        if time.monotonic() - reported_at > _SECONDS_BETWEEN_MESSAGES:
            on_message(f"prepared {done} of {len(indices)} cases")
            reported_at = time.monotonic()
    for others in processes.gather(problems) if processes is not None else ():
        for index in others.keys() - problems.keys():
            on_message(_problem(cases, index, others[index]))
        problems |= others
    cases.leave_out(problems)


def _problem(cases: CaseCache, index: int, problem: str) -> str:
    return f"{cases.name(index)} cannot be used and is left out: {problem}"


@functools.cache
def end_with_parent(process: int) -> None:
    """In a data loader's process: end as soon as the training has ended, also in the middle of a case."""
    parent = multiprocessing.parent_process()
    if parent is not None and get_worker_info() is not None:

        def wait() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=wait, daemon=True).start()


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


def cache_key(source: CaseSource, config: ModelConfig) -> str:
    """Return a hash of everything that determines the content of a prepared case."""
    settings = {
        "preprocessing": dataclasses.asdict(config.preprocessing),
        "labels": config.findings.labels if config.findings else None,
        "scalars": config.findings.scalars if config.findings else None,
        "cells": (config.vision.stem, config.vision.patch_size),
        "source": source.fingerprint(),
        "code": hash_files(Path(reg2rg.preprocessing.__file__), Path(reg2rg.training.samples.__file__)),
    }
    return hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:16]


@functools.cache
def _cached_targets(text: str, region: str, findings: FindingConfig | None, unknown: tuple[str, ...]) -> FindingTargets:
    return text_targets(text, region, findings, unknown)


def _with_statements(
    targets: FindingTargets, findings: FindingConfig | None, statements: Mapping[str, bool | None]
) -> FindingTargets:
    """Return targets in which statements about findings take precedence over the text."""
    if findings is None or not statements:
        return targets
    labels = targets.labels.copy()
    for index, label in enumerate(findings.labels):
        if label in statements:
            present = statements[label]
            labels[index] = np.nan if present is None else float(present)
    return targets._replace(labels=labels)


def _is_intact(file: Path) -> bool:
    """Return whether a file exists and is complete. Files of cases that could not be used are made again."""
    try:
        with safe_open(file, "numpy") as opened:
            return "regions" in opened.metadata()
    except (OSError, SafetensorError):
        return False


def _read_ahead(file: Path) -> None:
    """Ask the system to load the file into its page cache (Linux only)."""
    if sys.platform == "linux":
        with file.open("rb") as opened:
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
