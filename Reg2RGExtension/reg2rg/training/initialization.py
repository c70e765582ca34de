"""The model that a training begins with: from a model folder, or from nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from reg2rg.checkpoints import ModelFolder
from reg2rg.checkpoints.convert.key_mapping import map_keys
from reg2rg.checkpoints.convert.tensor_files import list_tensors, read_blocks
from reg2rg.checkpoints.legacy import upgrade_config
from reg2rg.errors import InputError
from reg2rg.hub import find_model
from reg2rg.labeler import ALL_LABELS, label_traits
from reg2rg.models.config import FindingConfig, ModelConfig
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.regions import get_region
from reg2rg.training.config import ModelSource
from reg2rg.training.config_parsing import build

_ARCHITECTURE = "config.model.architecture"

_LEVELS_OF = ("lobe", "spine")
"""Sets of levels in the reader's table of which "upper", "middle" and "lower" are a fair summary."""


def full_config(source: ModelSource, name: str) -> ModelConfig:
    """The config of the whole model, nothing switched off: what cases are prepared for."""
    if source.start is not None:
        return ModelFolder.open(find_model(source.start)).config
    given = upgrade_config(source.architecture or {})
    if given.get("findings") is not None:
        given["findings"] = {**dataclasses.asdict(all_findings()), **_mapping(given["findings"], "findings")}
    published = ModelConfig().to_dict()
    config = build(ModelConfig, {**_merged(published, given, ""), "name": name}, _ARCHITECTURE)
    _check_sizes(config)
    return config


def all_findings() -> FindingConfig:
    """A finding head for all labels there are; which of them have a side, a level or a size the reader's table says."""
    told = {label: label_traits(label) for label in ALL_LABELS}
    return FindingConfig(
        labels=ALL_LABELS,
        sided=tuple(label for label, facts in told.items() if facts.sided),
        leveled=tuple(label for label, facts in told.items() if facts.levels in _LEVELS_OF),
        sized=tuple(label for label, facts in told.items() if facts.sized),
    )


def switched(config: ModelConfig, source: ModelSource) -> ModelConfig:
    """The config with what the source switches off left out."""
    findings = config.findings
    if findings is None or not source.findings:
        return dataclasses.replace(config, findings=None)
    cues = findings.cues if source.cues is None else source.cues
    findings = dataclasses.replace(findings, dense=findings.dense and source.dense, cues=cues)
    return dataclasses.replace(config, findings=findings)


def fresh_model(config: ModelConfig, source: ModelSource, tokenizer: Any, seed: int) -> Reg2RG:
    """A model of this config with fresh weights, the same for the same seed."""
    language = dataclasses.replace(config.language, vocab_size=len(tokenizer))
    torch.manual_seed(seed)
    try:
        model = Reg2RG(switched(dataclasses.replace(config, language=language), source))
    except (ValueError, RuntimeError, ZeroDivisionError) as error:
        raise InputError(f"{_ARCHITECTURE} makes no model ({error}).") from error
    model.tokenizer = tokenizer
    return model


def started_model(source: ModelSource, device: str) -> Reg2RG:
    """The model of the folder that the source names."""
    return ModelFolder.open(find_model(source.start)).load(device, source.precision)


def take_weights(model: Reg2RG, files: Sequence[Path]) -> None:
    """Put the tensors of the authors' files (RadFM's names, or the published ones) into a model.

    InputError if a file cannot be read or a tensor of it does not fit.
    """
    parameters = dict(model.named_parameters())
    tensors = map_keys([list_tensors(file) for file in files]).tensors
    for name, stored in tensors.items():
        if name not in parameters or parameters[name].shape != stored.shape:
            ours = tuple(parameters[name].shape) if name in parameters else "none of that name"
            raise InputError(f"{stored.file} holds {stored.name} of shape {stored.shape}; the model has {ours}.")
        parameter = parameters[name]
        with torch.no_grad():
            blocks = [block.to(parameter) for block in read_blocks([stored])]
            parameter.copy_(torch.cat(blocks).reshape(parameter.shape))


def _merged(base: Mapping[str, Any], given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """``base`` with the given fields put in, group by group."""
    merged = dict(base)
    for name, value in given.items():
        group = base.get(name)
        if isinstance(group, Mapping) and name not in ("texture_sizes", "config_overrides") and value is not None:
            merged[name] = _merged(group, _mapping(value, f"{where}{name}"), f"{where}{name}.")
        else:
            merged[name] = value
    return merged


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"{_ARCHITECTURE}.{name} is {value!r}; expected named fields.")
    return value


def _check_sizes(config: ModelConfig) -> None:
    """Sizes that patches do not fill would fail in the middle of the first step."""
    preprocessing = config.preprocessing
    sizes = {"image_size": preprocessing.image_size, "texture_size": preprocessing.texture_size}
    for region, size in preprocessing.texture_sizes.items():
        sizes[f"texture_sizes.{get_region(region).name}"] = size
    checks = [(name, size, config.vision.patch_size) for name, size in sizes.items()]
    for name, size, patch in [*checks, ("mask_size", preprocessing.mask_size, config.mask.patch_size)]:
        if any(n < 1 or p < 1 or n % p for n, p in zip(size, patch, strict=True)):
            raise InputError(f"{_ARCHITECTURE}.preprocessing.{name} is {size}; expected multiples of patches {patch}.")
