"""Prepared cases in tar files (shards), which are read in sequence.

Thousands of cases are a few large files, which are quick to copy and easy on network file systems, and training needs
neither the volumes nor the masks. ``shard_writing`` writes them.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load

from reg2rg.errors import InputError, Reg2RGError
from reg2rg.models.config import ModelConfig
from reg2rg.runtime.dataclass_io import from_plain, parse_json, to_plain
from reg2rg.training.case_cache import Arrays, CaseCache, cache_key
from reg2rg.training.case_order import ShardOrder
from reg2rg.training.config import TrainingConfig
from reg2rg.training.datasets import Statements
from reg2rg.training.samples import TrainingCase

INDEX = "index.json"

_BLOCK = 1 << 22


@dataclass(frozen=True)
class StoredCase:
    """A case in a shard.

    Attributes:
        name: name of the case.
        kind: kind of its volume.
        offset: position of its bytes in the shard.
        size: number of its bytes.
        statements: what is known or unknown about it besides its texts.
    """

    name: str
    kind: str
    offset: int
    size: int
    statements: dict[str, dict[str, bool | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class ShardIndex:
    """The content of a folder of shards.

    Attributes:
        data: the configuration's data.
        source: fingerprint of the source of the cases.
        key: hash of everything that determines the content of the prepared cases.
        finding_masks: whether at least one training case has finding masks.
        notes: messages about what was left out, and why.
        training: file name of each shard of training cases -> its cases, in order.
        validation: the same for validation cases.
    """

    data: dict[str, Any]
    source: str
    key: str
    finding_masks: bool
    notes: tuple[str, ...]
    training: dict[str, tuple[StoredCase, ...]]
    validation: dict[str, tuple[StoredCase, ...]]


class ShardSource:
    """The source of cases that have been written to shards.

    Attributes:
        index: content of the shards.
        training: names of the training cases.
        validation: names of the validation cases.
    """

    may_fail = False

    def __init__(self, index: ShardIndex) -> None:
        """Take the index of a folder of shards."""
        self.index = index
        self.notes, self.finding_masks = index.notes, index.finding_masks
        self.training, self.validation = (
            tuple(case.name for cases in shards.values() for case in cases)
            for shards in (index.training, index.validation)
        )
        self._cases = {
            case.name: case
            for shards in (index.training, index.validation)
            for each in shards.values()
            for case in each
        }

    def kind(self, name: str) -> str:
        """Return which kind of volume a case has."""
        return self._cases[name].kind

    def fingerprint(self) -> str:
        """Return the fingerprint of the source that the cases came from."""
        return self.index.source

    def statements(self, name: str) -> Statements:
        """Return what is known or unknown about a case besides its texts."""
        return self._cases[name].statements

    def make(self, name: str, config: ModelConfig) -> TrainingCase:
        """Refuse to make a case: shards contain cases that have been made."""
        raise NotImplementedError


class ShardedCases(CaseCache):
    """The cases of a folder of shards, by index."""

    def __init__(self, source: ShardSource, config: ModelConfig, training: TrainingConfig) -> None:
        """Open the shards.

        Args:
            source: the content of the shards.
            config: the model that the cases were prepared for.
            training: the training configuration, which names the folder.

        Raises:
            InputError: the shards contain cases of other data or for another model.
        """
        assert training.shards is not None
        super().__init__(source, config, training.shards.folder)
        self._settings = training.shards
        self.folder = training.shards.folder
        index = source.index
        if index.data != to_plain(training.data):
            raise InputError(f"{self.folder} contains shards of other data (config.data); write them again.")
        if index.key != cache_key(source, config):
            raise InputError(
                f"{self.folder} contains shards for another model architecture, or of another version of reg2rg; "
                "write them again."
            )
        shards = (*index.training.items(), *index.validation.items())
        self._places = [(file, case) for file, cases in shards for case in cases]

    def count_missing(self) -> int:
        """Return 0: shards contain prepared cases only."""
        return 0

    def prepare(self, index: int) -> None:
        """Read a case, so that the training process finds it in the system's page cache."""
        file, case = self._places[index]
        missing = case.size
        with (self.folder / file).open("rb", buffering=0) as opened:
            opened.seek(case.offset)
            while missing > 0 and (block := opened.read(min(_BLOCK, missing))):
                missing -= len(block)

    def order(self, count: int, batch_size: int, seed: int) -> ShardOrder:
        """Return the order in which the first training cases are read; see :class:`ShardOrder`."""
        shards: dict[str, list[int]] = {}
        for position in range(count):
            shards.setdefault(self._places[self.training[position]][0], []).append(position)
        return ShardOrder(list(shards.values()), self._settings.streams, self._settings.buffer, batch_size, seed)

    def _load(self, index: int) -> tuple[Arrays, Mapping[str, str]]:
        file, case = self._places[index]
        with (self.folder / file).open("rb", buffering=0) as opened:
            opened.seek(case.offset)
            content = opened.read(case.size)
        try:
            return load(content), _metadata(content)
        except (SafetensorError, ValueError, KeyError) as error:
            raise Reg2RGError(
                f"{self.folder / file} is damaged ({case.name} cannot be read); delete it and write the shards again, "
                "which keeps the others."
            ) from error


def open_shards(folder: Path) -> ShardSource:
    """Open a folder of shards.

    Args:
        folder: the folder.

    Returns:
        The source of its cases.

    Raises:
        InputError: the folder contains no complete set of shards.
    """
    return ShardSource(_read_index(folder / INDEX))


@functools.lru_cache(maxsize=1)
def _read_index(file: Path) -> ShardIndex:
    if not file.is_file():
        raise InputError(f"{file} does not exist; expected a folder that `reg2rg shards` has written completely.")
    return from_plain(ShardIndex, parse_json(file.read_text(), str(file)), str(file))


def _metadata(content: bytes) -> dict[str, str]:
    """Return the metadata of a safetensors file, which its reader of bytes leaves out."""
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length])["__metadata__"]
