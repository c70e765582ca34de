"""Shards: prepared cases in tar files, which are written once and read in sequence."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import typer
import yaml

from reg2rg.cli.main import app
from reg2rg.errors import InputError, Reg2RGError
from reg2rg.models.config import ModelConfig
from reg2rg.training.case_cache import CaseCache
from reg2rg.training.case_order import ShardOrder
from reg2rg.training.config import PhantomData, Shards, TrainingConfig, read_config
from reg2rg.training.datasets import PhantomSource
from reg2rg.training.initialization import resolve_architecture
from reg2rg.training.run import train
from reg2rg.training.samples import TrainingCase
from reg2rg.training.shard_writing import write_shards
from reg2rg.training.shards import ShardedCases, open_shards


@pytest.fixture(scope="module")
def training(repository: Path) -> TrainingConfig:
    smoke = read_config(repository / "Resources/Training/smoke.yaml")
    data = PhantomData("phantoms", 3, 1, unknown=("Emphysema",))
    return dataclasses.replace(smoke, data=data, workers=0)


@pytest.fixture(scope="module")
def architecture(training: TrainingConfig) -> ModelConfig:
    return resolve_architecture(training.model, training.name)


@pytest.fixture(scope="module")
def cases(training: TrainingConfig, architecture: ModelConfig, tmp_path_factory: pytest.TempPathFactory) -> CaseCache:
    """Return the same cases, prepared in a cache."""
    source = PhantomSource.from_config(training.data)
    cases = CaseCache(source, architecture, tmp_path_factory.mktemp("cases"))
    for index in (*cases.training, *cases.validation):
        cases.prepare(index)
    return cases


@pytest.fixture(scope="module")
def written(training: TrainingConfig, cases: CaseCache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write shards of two cases with the command as documented, from a cache of prepared cases."""
    folder = tmp_path_factory.mktemp("sharded")
    config = dataclasses.replace(training, cache=cases.folder.parent)
    (folder / "config.yaml").write_text(yaml.safe_dump(config.to_dict()))
    arguments = ["shards", str(folder / "config.yaml"), "-o", str(folder / "shards"), "--cases-per-shard", "2"]
    typer.main.get_command(app)(arguments, standalone_mode=False)
    return folder / "shards"


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """Return a copy of the shards."""
    return shutil.copytree(written, tmp_path / "shards")


def read(training: TrainingConfig, architecture: ModelConfig, folder: Path) -> ShardedCases:
    return ShardedCases(open_shards(folder), architecture, dataclasses.replace(training, shards=Shards(folder)))


def same(one: TrainingCase, other: TrainingCase) -> bool:
    values = [
        [case.image, *(value for sample in case.regions for value in dataclasses.astuple(sample))]
        for case in (one, other)
    ]
    return all(
        np.array_equal(a, b, equal_nan=a.dtype.kind == "f") if isinstance(a, np.ndarray) else a == b
        for a, b in zip(*values, strict=True)
    )


def test_shards_contain_the_cases_of_a_cache(
    training: TrainingConfig, architecture: ModelConfig, cases: CaseCache, folder: Path
) -> None:
    assert sorted(file.name for file in folder.glob("*.tar")) == [
        "training-00000.tar", "training-00001.tar", "validation-00000.tar"
    ]  # fmt: skip
    sharded = read(training, architecture, folder)
    assert (list(sharded.training), list(sharded.validation)) == ([0, 1, 2], [3])
    assert all(same(sharded[index], cases[index]) and sharded.name(index) == cases.name(index) for index in range(4))
    unknown = [np.isnan(region.labels).any() for region in sharded[0].regions]
    assert all(unknown), "statements of the source are stored as well"
    with tarfile.open(folder / "training-00001.tar") as tar:
        assert tar.getnames() == ["2.safetensors", "end.json"]


def test_writing_continues_with_the_shards_that_are_missing(
    training: TrainingConfig, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    for name in ("index.json", "training-00001.tar"):
        (folder / name).unlink()
    with pytest.raises(InputError, match="index.json does not exist; expected a folder that `reg2rg shards` has writt"):
        open_shards(folder)
    made = []
    make = PhantomSource.make
    monkeypatch.setattr(PhantomSource, "make", lambda *arguments: made.append(arguments[1]) or make(*arguments))
    write_shards(training, folder, 2, 0, lambda message: None)
    assert made == ["2"] and {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_cases_that_cannot_be_used_are_left_out_and_named(
    training: TrainingConfig, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(self: PhantomSource, name: str, config: ModelConfig) -> TrainingCase:
        raise InputError("No heart.")

    monkeypatch.setattr(PhantomSource, "make", make)
    (folder / "training-00001.tar").unlink()
    messages: list[str] = []
    write_shards(training, folder, 2, 0, messages.append)
    assert messages == ["2 cannot be used: No heart.", "2 training cases and 1 validation cases in 3 shards"]
    source = open_shards(folder)
    assert source.training == ("0", "1") and source.notes == (messages[0],)


def test_shards_of_other_cases_are_refused(training: TrainingConfig, architecture: ModelConfig, folder: Path) -> None:
    other = dataclasses.replace(training, data=PhantomData("phantoms", 2, 1))
    with pytest.raises(InputError, match=r"contains shards of other data \(config.data\); write them again"):
        read(other, architecture, folder)
    with pytest.raises(InputError, match="training-00000.tar contains other cases; choose another folder"):
        write_shards(training, folder, 1, 0, lambda message: None)
    larger = dataclasses.replace(architecture.preprocessing, image_size=(32, 32, 32))
    with pytest.raises(InputError, match="contains shards for another model architecture, or of another version"):
        read(training, dataclasses.replace(architecture, preprocessing=larger), folder)


def test_a_damaged_shard_is_named(training: TrainingConfig, architecture: ModelConfig, folder: Path) -> None:
    file = folder / "training-00000.tar"
    file.write_bytes(file.read_bytes()[:-500_000])
    sharded = read(training, architecture, folder)
    sharded.prepare(1)
    with pytest.raises(Reg2RGError, match=r"training-00000.tar is damaged \(1 cannot be read\); delete it and write"):
        sharded[1]


@pytest.mark.parametrize(("size", "workers"), [(0, 0), (1000, 1)])
def test_a_damaged_shard_is_named_when_writing_continues(
    training: TrainingConfig, folder: Path, size: int, workers: int
) -> None:
    file = folder / "training-00000.tar"
    file.write_bytes(file.read_bytes()[:size])  # as after a crash of the machine
    with pytest.raises(InputError, match=f"^{re.escape(str(file))} is damaged; delete it and write the shards again"):
        write_shards(training, folder, 2, workers, lambda message: None)


def test_each_stream_reads_its_own_shards_nearly_in_sequence() -> None:
    shards = [list(range(start, start + 20)) for start in range(0, 160, 20)]
    order = ShardOrder(shards, streams=4, buffer=5, batch_size=2, seed=0)
    positions = list(order)
    assert sorted(positions) == list(range(160)) and len(order) == 160
    batches = list(zip(positions[::2], positions[1::2], strict=True))
    for number in range(4):
        stream = [position for batch in batches[number::4] for position in batch]
        own_shards = list(dict.fromkeys(position // 20 for position in stream))
        in_sequence = [position for shard in own_shards for position in shards[shard]]
        assert len(own_shards) == 2 and stream != in_sequence
        assert all(in_sequence.index(position) < place + 5 for place, position in enumerate(stream))
    again = ShardOrder(shards, streams=4, buffer=5, batch_size=2, seed=0)
    assert list(again) == positions
    again.set_epoch(1)
    assert list(again) != positions


@pytest.mark.slow
def test_a_training_reads_shards_without_the_source(training: TrainingConfig, folder: Path, tmp_path: Path) -> None:
    stages = tuple(dataclasses.replace(stage, steps=2, batch_size=1, eval_every=2) for stage in training.stages[:1])
    config = dataclasses.replace(training, stages=stages, shards=Shards(folder, streams=1, buffer=1), workers=2)
    messages: list[str] = []
    train(config, tmp_path / "run", "cpu", messages.append)
    assert messages[0] == f"3 training cases and 1 validation cases; prepared cases are in {folder}"
    assert not (tmp_path / "run" / "cache").exists()
    assert "3 phantoms" in (tmp_path / "run" / "model" / "MODEL_CARD.md").read_text()
    assert json.loads((tmp_path / "run" / "config.json").read_text())["shards"]["streams"] == 1
