"""A training's config is read safely, and what is wrong with it is said in words that name the field."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from reg2rg.errors import InputError
from reg2rg.labeler import ALL_LABELS
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.training.config import FolderData, ModelSource, read_config
from reg2rg.training.initialization import full_config, switched

BASE: dict[str, Any] = {
    "name": "mine",
    "data": {"kind": "phantoms", "cases": 4, "validation_cases": 2},
    "model": {"architecture": {"findings": {}}},
    "stages": [{"kind": "text", "steps": 2}],
}


def changed(**fields: Any) -> dict[str, Any]:
    """BASE with fields like data__cases set."""
    config = copy.deepcopy(BASE)
    for path, value in fields.items():
        *groups, name = path.split("__")
        place = config
        for group in groups:
            place = place[int(group)] if group.isdigit() else place[group]
        place[name] = value
    return config


def read(values: Any, folder: Path):
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(values))
    return read_config(file)


@pytest.mark.parametrize("name", ["ablation", "phantom", "smoke"])
def test_the_configs_that_come_along_make_a_model_that_tells_all_findings(repository: Path, name: str):
    config = read_config(repository / "Resources" / "Training" / f"{name}.yaml")
    model = Reg2RG(full_config(config.model, config.name))
    assert model.embedding_layer.finding_head.config.labels == ALL_LABELS


def test_the_published_recipe_is_the_published_one(repository: Path):
    config = read_config(repository / "Resources/Training/published.yaml")
    (stage,) = config.stages
    assert isinstance(config.data, FolderData) and config.data.split == "train" and config.data.spacing == (1, 1, 3)
    assert (stage.rate, stage.batch * stage.accumulate, stage.warmup, stage.schedule) == (5e-5, 16, 20, "constant")
    assert (stage.weight_decay, stage.epochs, stage.frozen) == (0.0, 6, True)


WRONG = {
    "config is 3": 3,
    "unknown fields: speed": changed(speed=3),
    "config lacks stages": {name: value for name, value in BASE.items() if name != "stages"},
    "config.data.cases is 0; expected a whole number of at least 1": changed(data__cases=0),
    "config.data.cases is True": changed(data__cases=True),
    "config.data.cases is 2.5": changed(data__cases=2.5),
    "config.data.kind is 'ct'; expected one of phantoms, radgenome": changed(data__kind="ct"),
    "config.data lacks folder": changed(data={"kind": "radgenome"}),
    "config.data.spacing is [1, 1]; expected 3 values": changed(
        data={"kind": "radgenome", "folder": "x", "spacing": [1, 1]}
    ),
    "config.data.spacing[2] is 0.0": changed(data={"kind": "radgenome", "folder": "x", "spacing": [1, 1, 0]}),
    "config.stages is empty": changed(stages=[]),
    "config.stages[0].kind is 'all'": changed(stages__0__kind="all"),
    "config.stages[0].rate is 'fast'; expected a number": changed(stages__0__rate="fast"),
    "config.stages[0].rate is 0.0; expected a number above 0": changed(stages__0__rate=0),
    "expected one of the two": changed(stages__0__epochs=3),
    "config.stages[0].patience needs validation cases": changed(data__validation_cases=0, stages__0__patience=1),
    "config.model.findings is false": changed(model__findings=False, stages__0__kind="vision"),
    "expected one of a vision stage alone": changed(stages__0__kind="text", stages__0__window=[8, 8, 8]),
    "expected none in both": changed(data__validation_seed=3),
    "either start (a model folder) or architecture": changed(model__start="phantom"),
    "needs architecture, not start": changed(model={"start": "phantom", "cues": 0}),
    "config.precision is 'int8'; expected one of fp32, bf16": changed(precision="int8"),
    "config.cache is 3; expected a path": changed(cache=3),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_is_wrong_is_said_in_words(message: str, tmp_path: Path):
    with pytest.raises(InputError) as error:
        read(WRONG[message], tmp_path)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ({"vision": {"width": 3}}, "config.model.architecture.vision has unknown fields: width"),
        ({"vision": {"dim": "wide"}}, "config.model.architecture.vision.dim is 'wide'"),
        ({"vision": 3}, "config.model.architecture.vision is 3; expected named fields"),
        ({"preprocessing": {"texture_size": [30, 32, 32]}}, "texture_size is (30, 32, 32); expected multiples"),
        ({"preprocessing": {"texture_sizes": {"liver": [32, 32, 4]}}}, "Unknown region 'liver'"),
        ({"findings": {"cues": "many"}}, "config.model.architecture.findings.cues is 'many'"),
    ],
)
def test_what_is_wrong_with_an_architecture_is_said_in_words(architecture: dict[str, Any], message: str):
    with pytest.raises(InputError) as error:
        full_config(ModelSource(architecture=architecture), "mine")
    assert message in str(error.value)


def test_code_in_a_config_is_not_run(tmp_path: Path):
    file = tmp_path / "config.yaml"
    file.write_text(f"name: !!python/object/apply:os.mkdir ['{tmp_path / 'made'}']\n")
    with pytest.raises(InputError, match="not readable as YAML"):
        read_config(file)
    assert not (tmp_path / "made").exists()


def test_a_number_that_yaml_takes_for_a_text_is_a_number(tmp_path: Path):
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(BASE) + "seed: 1\n")
    text = file.read_text().replace("steps: 2", "steps: 2\n  rate: 1e-3")
    file.write_text(text)
    assert read_config(file).stages[0].rate == 0.001


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"none\.yaml: no such file"):
        read_config(tmp_path / "none.yaml")


def test_an_architecture_differs_from_the_published_one_by_what_it_names():
    config = full_config(ModelSource(architecture={"mask": {"depth": 1}, "language": {"lora": None}}), "mine")
    assert (config.mask.depth, config.mask.dim, config.vision.dim) == (1, 255, 768)
    assert config.language.lora is None and config.findings is None and config.name == "mine"


def test_switches_leave_parts_out():
    source = ModelSource(architecture={"findings": {"cues": 4}})
    whole = full_config(source, "mine")
    assert switched(whole, source) == whole
    assert switched(whole, ModelSource(architecture={}, findings=False)).findings is None
    assert switched(whole, ModelSource(architecture={}, dense=False)).findings.dense is False
    assert switched(whole, ModelSource(architecture={}, cues=0)).findings.cues == 0
