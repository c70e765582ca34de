"""A training configuration is read safely, and errors name the field that is wrong."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from reg2rg.errors import InputError
from reg2rg.labeler import ALL_LABELS
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.training.config import ModelSource, RadGenomeData, TrainingConfig, read_config
from reg2rg.training.initialization import ablate, resolve_architecture
from reg2rg.training.run import train

BASE: dict[str, Any] = {
    "name": "mine",
    "data": {"kind": "phantoms", "cases": 4, "validation_cases": 2},
    "model": {"architecture": {"findings": {}}},
    "stages": [{"kind": "text", "steps": 2}],
}


def changed(**fields: Any) -> dict[str, Any]:
    """Return BASE with fields such as data__cases changed."""
    config = copy.deepcopy(BASE)
    for path, value in fields.items():
        *groups, name = path.split("__")
        target: Any = config
        for group in groups:
            target = target[int(group)] if group.isdigit() else target[group]
        target[name] = value
    return config


def read(values: Any, folder: Path) -> TrainingConfig:
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(values))
    return read_config(file)


@pytest.mark.parametrize("name", ["ablation", "phantom", "smoke"])
def test_the_included_configurations_create_a_model_with_a_head_for_all_findings(repository: Path, name: str):
    config = read_config(repository / "Resources" / "Training" / f"{name}.yaml")
    model = Reg2RG(resolve_architecture(config.model, config.name))
    assert model.embedding_layer.finding_head.config.labels == ALL_LABELS


def test_published_yaml_is_the_published_recipe(repository: Path):
    config = read_config(repository / "Resources/Training/published.yaml")
    (stage,) = config.stages
    assert isinstance(config.data, RadGenomeData) and config.data.split == "train"
    assert config.data.spacing == (1, 1, 3)
    assert (stage.learning_rate, stage.batch_size * stage.grad_accum_steps) == (5e-5, 16)
    assert (stage.warmup_steps, stage.schedule) == (20, "constant")
    assert (stage.weight_decay, stage.epochs, stage.freeze_vision) == (0.0, 6, True)


@pytest.mark.parametrize("name", ["ablation", "phantom", "published", "smoke"])
def test_configurations_with_former_option_names_load(repository: Path, legacy_configs: Path, name: str):
    messages: list[str] = []
    old = read_config(legacy_configs / f"{name}.yaml", messages.append)
    now = read_config(repository / "Resources" / "Training" / f"{name}.yaml")
    if now.model.architecture is not None:
        now.model.architecture["preprocessing"].pop("margins_mm", None)  # this option is newer than the names
    assert old == dataclasses.replace(now, precision="bf16")
    (message,) = messages
    assert message.startswith(f"{name}.yaml uses former option names")
    assert "rate -> learning_rate" in message and "store -> save_dtype" in message


def test_former_option_names_give_a_warning_by_default(legacy_configs: Path):
    with pytest.warns(FutureWarning, match="batch -> batch_size"):
        read_config(legacy_configs / "smoke.yaml")


def test_every_former_option_name_is_replaced(tmp_path: Path):
    old = changed(
        store="float16",
        model={
            "architecture": {"findings": {"familiarity": 3, "levelled": []}, "language": {"other": {"x": 1}}},
            "vocabulary": 300, "vocabulary_cases": 3, "findings": True, "dense": False,
        },
        stages=[
            {"kind": "vision", "steps": 1, "batch": 2, "accumulate": 3, "rate": 0.1, "warmup": 4, "clip": 5.0,
             "frozen": False, "window": [8, 8, 8], "every": 6}
        ],
    )  # fmt: skip
    with pytest.warns(FutureWarning):
        config = read(old, tmp_path)
    assert config.save_dtype == "float16"
    assert (config.model.vocab_size, config.model.tokenizer_cases) == (300, 3)
    assert (config.model.finding_head, config.model.finding_map) == (True, False)
    assert config.model.architecture == {
        "findings": {"ood_directions": 3, "leveled": []}, "language": {"config_overrides": {"x": 1}}
    }  # fmt: skip
    (stage,) = config.stages
    assert (stage.batch_size, stage.grad_accum_steps, stage.learning_rate, stage.warmup_steps) == (2, 3, 0.1, 4)
    assert (stage.max_grad_norm, stage.freeze_vision, stage.patch_size) == (5.0, False, (8, 8, 8))
    assert stage.eval_every == 6
    with pytest.warns(FutureWarning, match="start -> init_from"):
        assert read(changed(model={"start": "phantom"}), tmp_path).model.init_from == "phantom"


def test_an_option_under_its_former_and_its_current_name_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"^config.stages\[0\] has both rate and learning_rate"):
        read(changed(stages__0__rate=0.1, stages__0__learning_rate=0.2), tmp_path)


def test_a_run_folder_with_former_option_names_belongs_to_the_same_configuration(
    repository: Path, legacy_configs: Path, tmp_path: Path
):
    """The folder counts as finished, so that only its configuration is compared."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "config.json").write_text((legacy_configs / "run_config.json").read_text())
    config = read_config(repository / "Resources/Training/smoke.yaml")
    messages: list[str] = []
    assert train(config, tmp_path, "cpu", messages.append) == tmp_path / "model"
    assert messages == ["This training run has already finished."]


@pytest.fixture
def legacy_configs(repository: Path) -> Path:
    """Return the folder of the configurations of commit 8fc2476, before options were renamed."""
    return repository / "Testing" / "Data" / "training_configs_8fc2476"


RADGENOME = {"kind": "radgenome", "folder": "x"}
PLANTED = {"kind": "planted", "folder": "x", "hosts": "x.yaml", "cases": 5, "validation_cases": 2}
INVALID: dict[str, Any] = {
    "config is 3; expected named fields": 3,
    "unknown fields: 'speed'": changed(speed=3),
    "config lacks required fields: stages": {name: value for name, value in BASE.items() if name != "stages"},
    "config.data.cases is 0; expected an integer of 1 or more": changed(data__cases=0),
    "config.data.cases is True; expected an integer": changed(data__cases=True),
    "config.data.cases is 2.5; expected an integer": changed(data__cases=2.5),
    "config.data.kind is 'ct'; expected one of: phantoms, planted, radgenome, reviewed, mixed": changed(
        data__kind="ct"
    ),
    "config.data lacks required fields: folder": changed(data={"kind": "radgenome"}),
    "config.data.spacing has 2 values; expected 3": changed(data={**RADGENOME, "spacing": [1, 1]}),
    "config.data.spacing[2] is 0; expected a number greater than 0": changed(data={**RADGENOME, "spacing": [1, 1, 0]}),
    "config.stages is empty": changed(stages=[]),
    "config.stages[0].kind is 'all'; expected one of: vision, head, text": changed(stages__0__kind="all"),
    "config.stages[0].learning_rate is 'fast'; expected a finite number": changed(stages__0__learning_rate="fast"),
    "config.stages[0].learning_rate is 0; expected a number greater than 0": changed(stages__0__learning_rate=0),
    "config.stages[0].weight_decay is -1; expected a number of 0 or more": changed(stages__0__weight_decay=-1),
    "config.stages[0].beta2 is 1.0; expected a number between 0 and 1": changed(stages__0__beta2=1.0),
    "config.stages[0].warmup_steps is -1; expected an integer of 0 or more": changed(stages__0__warmup_steps=-1),
    "expected exactly one of them": changed(stages__0__epochs=3),
    "config.stages[0].patience needs validation cases": changed(data__validation_cases=0, stages__0__patience=1),
    "config.model.finding_head is false": changed(model__finding_head=False, stages__0__kind="vision"),
    "only vision stages train on patches": changed(stages__0__kind="text", stages__0__patch_size=[8, 8, 8]),
    "expected ranges that do not overlap": changed(data__validation_seed=3),
    "uses seeds 7 to 11 for training and 11 to 12 for validation": changed(
        data={**PLANTED, "first_seed": 7, "validation_seed": 11}
    ),
    "either init_from (a model folder) or architecture": changed(model__init_from="phantom"),
    "needs architecture, not init_from": changed(model={"init_from": "phantom", "cues": 0}),
    "config.precision is 'int8'; expected one of: auto, fp32, bf16": changed(precision="int8"),
    "config.cache is 3; expected a path": changed(cache=3),
}


@pytest.mark.parametrize("message", INVALID)
def test_an_invalid_field_is_named_with_what_is_expected(message: str, tmp_path: Path):
    with pytest.raises(InputError) as error:
        read(INVALID[message], tmp_path)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ({"vision": {"width": 3}}, "config.model.architecture.vision has unknown fields: 'width'"),
        ({"vision": {"dim": "wide"}}, "config.model.architecture.vision.dim is 'wide'"),
        ({"vision": 3}, "config.model.architecture.vision is 3; expected named fields"),
        ({"preprocessing": {"texture_size": [30, 32, 32]}}, "texture_size is (30, 32, 32); expected multiples"),
        ({"preprocessing": {"texture_sizes": {"liver": [32, 32, 4]}}}, "Unknown region 'liver'"),
        ({"findings": {"cues": "many"}}, "config.model.architecture.findings.cues is 'many'"),
    ],
)
def test_an_invalid_field_of_an_architecture_is_named(architecture: dict[str, Any], message: str):
    with pytest.raises(InputError) as error:
        resolve_architecture(ModelSource(architecture=architecture), "mine")
    assert message in str(error.value)


def test_code_in_a_configuration_is_not_run(tmp_path: Path):
    file = tmp_path / "config.yaml"
    file.write_text(f"name: !!python/object/apply:os.mkdir ['{tmp_path / 'made'}']\n")
    with pytest.raises(InputError, match="not readable as YAML"):
        read_config(file)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("written", "value"), [("1e-3", 0.001), ("1.5e3", 1500.0), ("+2E2", 200.0), (".5e1", 5.0), ("1e0", 1.0), ("2", 2.0)]
)
def test_numbers_with_an_exponent_are_numbers(written: str, value: float, tmp_path: Path):
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(BASE).replace("steps: 2", f"steps: 2\n  learning_rate: {written}"))
    assert read_config(file).stages[0].learning_rate == value


def test_a_tilde_in_a_path_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    data = {"kind": "radgenome", "folder": "~/data"}
    config = read(changed(cache="~/cache", data=data, model__pretrained=["~/weights.pth"]), tmp_path)
    assert isinstance(config.data, RadGenomeData) and config.data.folder == tmp_path / "data"
    assert config.cache == tmp_path / "cache" and config.model.pretrained == (tmp_path / "weights.pth",)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"none\.yaml does not exist"):
        read_config(tmp_path / "none.yaml")


def test_an_architecture_keeps_the_published_value_of_every_field_it_does_not_name():
    config = resolve_architecture(ModelSource(architecture={"mask": {"depth": 1}, "language": {"lora": None}}), "mine")
    assert (config.mask.depth, config.mask.dim, config.vision.dim) == (1, 255, 768)
    assert config.language.lora is None and config.findings is None and config.name == "mine"


def test_ablations_remove_parts():
    source = ModelSource(architecture={"findings": {"cues": 4}})
    whole = resolve_architecture(source, "mine")
    assert ablate(whole, source) == whole
    assert ablate(whole, ModelSource(architecture={}, finding_head=False)).findings is None
    assert ablate(whole, ModelSource(architecture={}, finding_map=False)).findings.dense is False
    assert ablate(whole, ModelSource(architecture={}, cues=0)).findings.cues == 0
