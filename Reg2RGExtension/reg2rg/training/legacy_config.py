"""Former names of training options, so that configurations written for earlier versions still load."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reg2rg.checkpoints.legacy import CONFIG_FIELDS
from reg2rg.errors import InputError

_TRAINING = {"store": "save_dtype"}
_MODEL = {
    "start": "init_from",
    "vocabulary": "vocab_size",
    "vocabulary_cases": "tokenizer_cases",
    "findings": "finding_head",
    "dense": "finding_map",
}
_STAGE = {
    "batch": "batch_size",
    "accumulate": "grad_accum_steps",
    "rate": "learning_rate",
    "warmup": "warmup_steps",
    "clip": "max_grad_norm",
    "frozen": "freeze_vision",
    "window": "patch_size",
    "every": "eval_every",
}


def upgrade_config(values: Any, name: str) -> tuple[Any, dict[str, str]]:
    """Replace former option names in a configuration.

    Args:
        values: the configuration as plain values. Parts that do not have the expected form are returned
            unchanged; the reader reports them.
        name: what the values are; error messages begin with it.

    Returns:
        The configuration with current names, and the former names that it used, each with its current name.

    Raises:
        InputError: an option is given under both its former name and its current name.
    """
    renamed: dict[str, str] = {}

    def upgrade(group: Any, names: Mapping[str, str], group_name: str) -> Any:
        if not isinstance(group, Mapping):
            return group
        for old, new in names.items():
            if old in group and new in group:
                raise InputError(f"{group_name} has both {old} and {new}, the current name of {old}; keep {new}.")
        renamed.update({old: new for old, new in names.items() if old in group})
        return {names.get(key, key): value for key, value in group.items()}

    def upgrade_model(model: Any) -> Any:
        model = upgrade(model, _MODEL, f"{name}.model")
        if isinstance(model, dict) and isinstance(model.get("architecture"), Mapping):
            architecture = dict(model["architecture"])
            for section, names in CONFIG_FIELDS.items():
                if section in architecture:
                    section_name = f"{name}.model.architecture.{section}"
                    architecture[section] = upgrade(architecture[section], names, section_name)
            model["architecture"] = architecture
        return model

    values = upgrade(values, _TRAINING, name)
    if isinstance(values, dict) and "model" in values:
        values["model"] = upgrade_model(values["model"])
    if isinstance(values, dict) and isinstance(values.get("stages"), list):
        stages = enumerate(values["stages"])
        values["stages"] = [upgrade(stage, _STAGE, f"{name}.stages[{index}]") for index, stage in stages]
    return values, renamed
