"""The module that one stage trains: it maps the indices of cases to losses."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from reg2rg.errors import InputError
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.training.case_cache import CaseCache
from reg2rg.training.config import Stage
from reg2rg.training.feature_cache import FeatureCache, SightingCache
from reg2rg.training.losses import (
    CachedFeatures,
    Losses,
    compute_features,
    head_stage_losses,
    subsample_normal_regions,
    text_losses,
    vision_losses,
)
from reg2rg.training.patches import finding_patches
from reg2rg.training.samples import TrainingCase

_HEAD, _SEEING = "finding_head.", ("finding_map.", "evidence_to_tokens.")
"""Parts of the names of the finding head's parameters, and of those that a head stage keeps."""


class TrainingModule(nn.Module):
    """A model together with the cases and the losses of one stage.

    Only the parameters that the stage trains require gradients. They are float32; the others keep their data type.

    Attributes:
        model: the model.
    """

    def __init__(
        self,
        model: Reg2RG,
        stage: Stage,
        cases: CaseCache,
        features: FeatureCache | None,
        seen: SightingCache | None = None,
    ) -> None:
        """Prepare a model for a stage.

        Args:
            model: the model, which is changed in place.
            stage: the stage.
            cases: the cases.
            features: cached features for a text stage with frozen vision. If None, they are computed in every step.
            seen: what was seen in the cases, for a head stage.

        Raises:
            InputError: the stage's patch size is not a multiple of the vision transformer's.
        """
        super().__init__()
        multiple = model.config.vision.patch_size
        if stage.patch_size and any(n % m for n, m in zip(stage.patch_size, multiple, strict=True)):
            raise InputError(
                f"The stage's patch_size is {stage.patch_size}; expected multiples of {multiple}, the patch size of "
                "the vision transformer."
            )
        self.model = model
        self._stage, self._cases, self._features, self._seen = stage, cases, features, seen
        parameters = select_parameters(model, stage)
        model.requires_grad_(False)
        for parameter in parameters.values():
            parameter.data = parameter.data.float()
            parameter.requires_grad_(True)
        if stage.gradient_checkpointing:
            model.causal_lm.gradient_checkpointing_enable({"use_reentrant": False})

    def trained_parameters(self) -> dict[str, nn.Parameter]:
        """Return the parameters that the stage trains, by their names in the model."""
        return {name: parameter for name, parameter in self.model.named_parameters() if parameter.requires_grad}

    def train(self, mode: bool = True) -> TrainingModule:
        """Set training or evaluation mode. Frozen vision stays in evaluation mode.

        The published code keeps dropout active in its frozen vision transformer.

        Args:
            mode: True for training mode.

        Returns:
            The module itself.
        """
        super().train(mode)
        if not self._stage.changes_vision:
            for module in _vision_modules(self.model):
                module.eval()
        return self

    def forward(self, cases: Tensor) -> Losses:
        """Compute the losses of cases.

        Args:
            cases: (B,) indices of the cases.

        Returns:
            The losses that the stage minimizes, by name.

        Raises:
            InputError: the stage names a loss that these cases do not have.
        """
        losses = self._losses(cases.tolist())
        names = self._stage.losses or tuple(losses)
        if missing := [name for name in names if name not in losses]:
            raise InputError(
                f"The stage's losses include {', '.join(missing)}, but these cases have {', '.join(losses) or 'none'} "
                "(the map needs finding masks)."
            )
        return {name: losses[name] for name in names}

    def _losses(self, indices: Sequence[int]) -> Losses:
        cases = [self._cases[index] for index in indices]
        if self._stage.kind == "vision":
            return self._vision_losses(cases)
        if self._stage.kind == "head":
            assert self._seen is not None
            return head_stage_losses(self.model, cases, [self._seen[index] for index in indices])
        if self._features is not None:
            features = [self._features[index] for index in indices]
        else:
            features = [compute_features(self.model, case) for case in cases]
        losses = text_losses(self.model, *self._shuffle(*with_texts(cases, features)))
        if self.model.embedding_layer.finding_head is not None and not self._stage.freeze_vision:
            losses |= self._vision_losses(cases)
        return losses

    def _vision_losses(self, cases: Sequence[TrainingCase]) -> Losses:
        """Compute the losses over some regions, or patches of them, in training, and over all regions in evaluation."""
        samples = [sample for case in cases for sample in case.regions]
        if self.training:
            rng = random.Random(int(torch.randint(2**31, ())))
            if self._stage.patch_size is None:
                return vision_losses(self.model, *subsample_normal_regions(cases, rng))
            samples = finding_patches(cases, self._stage.patch_size, rng) or samples
        return vision_losses(self.model, samples, torch.ones(len(samples)))

    def _shuffle(
        self, cases: Sequence[TrainingCase], features: Sequence[CachedFeatures]
    ) -> tuple[list[TrainingCase], list[CachedFeatures]]:
        """Shuffle the regions of each case in training, so that a slot does not reveal its region (paper, III-C)."""
        if not self.training:
            return list(cases), list(features)
        shuffled_cases, shuffled_features = [], []
        for case, case_features in zip(cases, features, strict=True):
            case, case_features = shuffle_regions(case, case_features)
            shuffled_cases.append(case)
            shuffled_features.append(case_features)
        return shuffled_cases, shuffled_features


def with_texts(
    cases: Sequence[TrainingCase], features: Sequence[CachedFeatures]
) -> tuple[list[TrainingCase], list[CachedFeatures]]:
    """Return cases and their features without regions that have no text. Cases without any text are left out."""
    kept_cases, kept_features = [], []
    for case, case_features in zip(cases, features, strict=True):
        order = [index for index, sample in enumerate(case.regions) if sample.text]
        if order:
            case, case_features = select_regions(case, case_features, torch.tensor(order))
            kept_cases.append(case)
            kept_features.append(case_features)
    return kept_cases, kept_features


def select_regions(
    case: TrainingCase, features: CachedFeatures, order: torch.Tensor
) -> tuple[TrainingCase, CachedFeatures]:
    """Return some regions of a case and their features, in the given order of indices."""
    regions = tuple(case.regions[i] for i in order)
    tokens = tuple(features.tokens[i] for i in order)
    cues = None if features.cues is None else features.cues.select(order)
    return dataclasses.replace(case, regions=regions), dataclasses.replace(features, tokens=tokens, cues=cues)


def shuffle_regions(case: TrainingCase, features: CachedFeatures) -> tuple[TrainingCase, CachedFeatures]:
    """Put the regions of a case, and their features, into a random order.

    Args:
        case: the case.
        features: its features.

    Returns:
        The shuffled case and its features in the same order.
    """
    return select_regions(case, features, torch.randperm(len(case.regions)))


def select_parameters(model: Reg2RG, stage: Stage) -> dict[str, nn.Parameter]:
    """Select the parameters that a stage trains.

    A vision stage trains the vision transformer and the finding head. A head stage trains the finding head without its
    finding map and the evidence from it, so that vision tokens stay as they are. A text stage trains LoRA (or the whole
    language model if it has no LoRA), the perceiver, the projections, the mask encoder, the boundary tokens and the
    cues, and vision as well unless it is frozen.

    Args:
        model: the model.
        stage: the stage.

    Returns:
        The parameters, by their names in the model.
    """
    vision = {id(parameter) for module in _vision_modules(model) for parameter in module.parameters()}
    has_lora = model.config.language.lora is not None
    selected = {}
    for name, parameter in model.named_parameters():
        if stage.kind == "head":
            is_trained = _HEAD in name and not any(part in name for part in _SEEING)
        elif id(parameter) in vision:
            is_trained = stage.changes_vision
        elif name.startswith("lang_model.") or name == "embedding_layer.weight":
            is_trained = stage.kind == "text" and (not has_lora or ".lora_" in name)
        else:
            is_trained = stage.kind == "text"
        if is_trained:
            selected[name] = parameter
    return selected


def _vision_modules(model: Reg2RG) -> list[nn.Module]:
    encoder = model.embedding_layer
    modules: list[nn.Module] = [encoder.vision_encoder]
    if encoder.finding_head is not None:
        modules.append(encoder.finding_head)
    return modules
