"""Writing of shards: every case is prepared once, by worker processes that write one shard each."""

from __future__ import annotations

import io
import json
import math
import os
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path

from torch.utils.data import DataLoader, Dataset

from reg2rg.errors import InputError, Reg2RGError
from reg2rg.runtime.dataclass_io import to_plain
from reg2rg.runtime.disk_space import require_free_space
from reg2rg.runtime.folder_lock import locked_folder
from reg2rg.runtime.staging import staged_output
from reg2rg.training.case_cache import CaseCache, case_bytes, end_with_parent
from reg2rg.training.config import MessageCallback, TrainingConfig
from reg2rg.training.datasets import CaseSource, open_source
from reg2rg.training.initialization import resolve_architecture
from reg2rg.training.shards import INDEX, ShardIndex, StoredCase

_SPLITS = ("training", "validation")
_SUFFIX, _END = ".safetensors", "end.json"
_SECONDS_BETWEEN_MESSAGES = 30.0


def write_shards(
    config: TrainingConfig, folder: Path, cases_per_shard: int, workers: int, on_message: MessageCallback
) -> None:
    """Prepare the cases of a training configuration and write them to shards. Shards that exist are kept.

    Args:
        config: the configuration.
        folder: folder of the shards.
        cases_per_shard: number of cases in each shard.
        workers: number of processes that prepare cases.
        on_message: called with each line of progress.

    Raises:
        InputError: the data cannot be used, or the folder contains shards of other cases.
        Reg2RGError: the disk has too little space.
    """
    source = open_source(config.data)
    architecture = resolve_architecture(config.model, config.name)
    cases = CaseCache(source, architecture, config.cache or folder)
    with locked_folder(folder, "Another `reg2rg shards`"):
        jobs = _Jobs(cases, folder, cases_per_shard)
        missing = sum(len(indices) for name, indices in jobs.shards if not (folder / name).is_file())
        require_free_space(folder, missing * case_bytes(architecture), "The folder of shards")
        reported_at, done = time.monotonic(), 0
        for number, error in DataLoader(jobs, batch_size=None, num_workers=workers):
            if error is not None:
                raise error
            done += len(jobs.shards[int(number)][1])
            if time.monotonic() - reported_at > _SECONDS_BETWEEN_MESSAGES:
                on_message(f"prepared {done} of {jobs.count} cases")
                reported_at = time.monotonic()
        index = _index(jobs, folder, source, config)
        for note in index.notes:
            on_message(note)
        with staged_output(folder) as staging:
            (staging / INDEX).write_text(json.dumps(to_plain(index)))
    counts = [sum(map(len, shards.values())) for shards in (index.training, index.validation)]
    on_message(f"{counts[0]} training cases and {counts[1]} validation cases in {len(jobs)} shards")


class _Jobs(Dataset[tuple[int, Exception | None]]):
    """A dataset of shards. Each one is written, in a data loader's process, before its number is returned.
    Errors are returned as well, because a data loader adds tracebacks to those that are raised.

    Attributes:
        shards: file name and indices of the cases of each shard.
    """

    def __init__(self, cases: CaseCache, folder: Path, cases_per_shard: int) -> None:
        self.cases, self._folder = cases, folder
        self.shards: list[tuple[str, Sequence[int]]] = []
        for split, indices in zip(_SPLITS, (cases.training, cases.validation), strict=True):
            for number in range(math.ceil(len(indices) / cases_per_shard)):
                start = number * cases_per_shard
                self.shards.append((f"{split}-{number:05d}.tar", indices[start : start + cases_per_shard]))

    @property
    def count(self) -> int:
        """Number of cases."""
        return sum(len(indices) for _, indices in self.shards)

    def __len__(self) -> int:
        return len(self.shards)

    def __getitem__(self, number: int) -> tuple[int, Exception | None]:
        end_with_parent(os.getpid())
        name, indices = self.shards[number]
        try:
            if (self._folder / name).is_file():
                self.read_end(name)
            else:
                self._write(name, indices)
        except (Reg2RGError, OSError) as error:
            return number, error
        return number, None

    def read_end(self, name: str) -> dict[str, str]:
        """Return the cases that a shard lacks, each with the reason; raise InputError if it is not the expected one."""
        try:
            with tarfile.open(self._folder / name) as tar:
                member = tar.extractfile(_END)
                assert member is not None
                end = json.load(member)
        except (tarfile.TarError, KeyError, ValueError) as error:
            raise InputError(
                f"{self._folder / name} is damaged; delete it and write the shards again, which keeps the others."
            ) from error
        expected = dict(self.shards)[name]
        if end["key"] != self.cases.key or end["cases"] != [self.cases.name(index) for index in expected]:
            raise InputError(f"{self._folder / name} contains other cases; choose another folder.")
        return end["problems"]

    def _write(self, name: str, indices: Sequence[int]) -> None:
        problems = {}
        with staged_output(self._folder) as staging, tarfile.open(staging / name, "w") as tar:
            for index in indices:
                try:
                    _add(tar, f"{self.cases.name(index)}{_SUFFIX}", self.cases.encoded(index))
                except InputError as error:
                    problems[self.cases.name(index)] = str(error)
            end = {"key": self.cases.key, "cases": [self.cases.name(index) for index in indices], "problems": problems}
            _add(tar, _END, json.dumps(end).encode())


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def _index(jobs: _Jobs, folder: Path, source: CaseSource, config: TrainingConfig) -> ShardIndex:
    """Describe the shards, all of which exist."""
    shards: dict[str, tuple[StoredCase, ...]] = {}
    notes = list(source.notes)
    for name, _ in jobs.shards:
        notes += [f"{case} cannot be used: {problem}" for case, problem in jobs.read_end(name).items()]
        with tarfile.open(folder / name) as tar:
            shards[name] = tuple(
                _stored_case(member, source) for member in tar.getmembers() if member.name.endswith(_SUFFIX)
            )
    training, validation = (
        {name: cases for name, cases in shards.items() if name.startswith(split)} for split in _SPLITS
    )
    return ShardIndex(
        data=to_plain(config.data),
        source=source.fingerprint(),
        key=jobs.cases.key,
        finding_masks=source.finding_masks,
        notes=tuple(notes),
        training=training,
        validation=validation,
    )


def _stored_case(member: tarfile.TarInfo, source: CaseSource) -> StoredCase:
    name = member.name.removesuffix(_SUFFIX)
    statements = {region: dict(labels) for region, labels in source.statements(name).items()}
    return StoredCase(name, source.kind(name), member.offset_data, member.size, statements)
