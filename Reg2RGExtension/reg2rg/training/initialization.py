"""The model that training starts from: loaded from a model folder, or created with random weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from reg2rg.checkpoints import ModelFolder
from reg2rg.checkpoints.convert.key_mapping import map_keys
from reg2rg.checkpoints.convert.tensor_files import list_tensors, read_blocks
from reg2rg.errors import InputError
from reg2rg.hub import find_model
from reg2rg.labeler import ALL_LABELS, label_traits
from reg2rg.models.config import FindingConfig, ModelConfig
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.regions import get_region
from reg2rg.runtime.dataclass_io import from_plain, shorten
from reg2rg.training.config import ModelSource

_ARCHITECTURE = "config.model.architecture"

_LEVEL_SETS = ("lobe", "spine")
"""Sets of levels in the labeler's lexicon that "upper", "middle" and "lower" summarize well."""

_WHOLE_FIELDS = ("texture_sizes", "config_overrides")
"""Mappings of a model's config that are replaced as a whole, because their keys are values, not field names."""


def resolve_architecture(source: ModelSource, name: str) -> ModelConfig:
    """Return the config of the whole model, before ablations. Cases are prepared for this config.

    Args:
        source: where the model comes from.
        name: name of the model, if it is created from an architecture.

    Returns:
        The config.

    Raises:
        InputError: the model is not found, or the architecture is not valid.
    """
    if source.init_from is not None:
        return ModelFolder.open(find_model(source.init_from)).config
    given = dict(source.architecture or {})
    if given.get("findings") is not None:
        given["findings"] = {**dataclasses.asdict(all_findings()), **_check_mapping(given["findings"], "findings")}
    published = ModelConfig().to_dict()
    config = from_plain(ModelConfig, {**_merge(published, given, ""), "name": name}, _ARCHITECTURE)
    _check_sizes(config)
    return config


def all_findings() -> FindingConfig:
    """Return a finding head for all labels; the labeler knows which have a side, a level or a size."""
    traits = {label: label_traits(label) for label in ALL_LABELS}
    return FindingConfig(
        labels=ALL_LABELS,
        sided=tuple(label for label, trait in traits.items() if trait.sided),
        leveled=tuple(label for label, trait in traits.items() if trait.levels in _LEVEL_SETS),
        sized=tuple(label for label, trait in traits.items() if trait.sized),
    )


def ablate(config: ModelConfig, source: ModelSource) -> ModelConfig:
    """Remove the parts of a model that a configuration switches off.

    Args:
        config: the whole model.
        source: specifies which parts to remove.

    Returns:
        The config of the model to train.
    """
    findings = config.findings
    if findings is None or not source.finding_head:
        return dataclasses.replace(config, findings=None)
    cues = findings.cues if source.cues is None else source.cues
    findings = dataclasses.replace(findings, dense=findings.dense and source.finding_map, cues=cues)
    return dataclasses.replace(config, findings=findings)


def create_model(config: ModelConfig, source: ModelSource, tokenizer: Any, seed: int) -> Reg2RG:
    """Create a model with random weights.

    Args:
        config: the whole model.
        source: specifies which parts to remove.
        tokenizer: the model's tokenizer.
        seed: random seed; the same seed gives the same weights.

    Returns:
        The model.

    Raises:
        InputError: the fields of the architecture contradict each other.
    """
    language = dataclasses.replace(config.language, vocab_size=len(tokenizer))
    torch.manual_seed(seed)
    try:
        model = Reg2RG(ablate(dataclasses.replace(config, language=language), source))
    except (ValueError, RuntimeError, ZeroDivisionError) as error:
        raise InputError(f"{_ARCHITECTURE} does not describe a valid model ({error}).") from error
    model.tokenizer = tokenizer
    return model


def load_initial_model(source: ModelSource, device: str) -> Reg2RG:
    """Load the model from which training continues."""
    return ModelFolder.open(find_model(source.init_from)).load(device, source.precision)


def load_pretrained(model: Reg2RG, files: Sequence[Path]) -> None:
    """Load tensors from the authors' weight files into a model.

    Args:
        model: receives the tensors.
        files: the files, with RadFM's or Reg2RG's published tensor names.

    Raises:
        InputError: a file cannot be read, or one of its tensors does not fit the model.
    """
    parameters = dict(model.named_parameters())
    tensors = map_keys([list_tensors(file) for file in files]).tensors
    for name, stored in tensors.items():
        if name not in parameters:
            raise InputError(f"{stored.file} contains {stored.name}, for which the model has no parameter.")
        parameter = parameters[name]
        if parameter.shape != stored.shape:
            raise InputError(
                f"{stored.file} contains {stored.name} of shape {stored.shape}; the model expects "
                f"{tuple(parameter.shape)}."
            )
        with torch.no_grad():
            blocks = [block.to(parameter) for block in read_blocks([stored])]
            parameter.copy_(torch.cat(blocks).reshape(parameter.shape))


def _merge(base: Mapping[str, Any], given: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return ``base`` with the given fields replaced, recursively."""
    merged = dict(base)
    for name, value in given.items():
        group = base.get(name)
        if isinstance(group, Mapping) and name not in _WHOLE_FIELDS and value is not None:
            merged[name] = _merge(group, _check_mapping(value, f"{prefix}{name}"), f"{prefix}{name}.")
        else:
            merged[name] = value
    return merged


def _check_mapping(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"{_ARCHITECTURE}.{name} is {shorten(value)}; expected named fields.")
    return value


def _check_sizes(config: ModelConfig) -> None:
    """Raise InputError for sizes that are not multiples of the patch size, which would fail in the first step."""
    preprocessing = config.preprocessing
    sizes = {"image_size": preprocessing.image_size, "texture_size": preprocessing.texture_size}
    for region, size in preprocessing.texture_sizes.items():
        sizes[f"texture_sizes.{get_region(region).name}"] = size
    checks = [(name, size, config.vision.patch_size) for name, size in sizes.items()]
    checks.append(("mask_size", preprocessing.mask_size, config.mask.patch_size))
    for name, size, patch in checks:
        if any(n < 1 or p < 1 or n % p for n, p in zip(size, patch, strict=True)):
            raise InputError(
                f"{_ARCHITECTURE}.preprocessing.{name} is {size}; expected multiples of the patch size {patch}."
            )
