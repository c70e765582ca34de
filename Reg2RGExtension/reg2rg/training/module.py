"""A model with what one stage trains of it: numbers of cases in, losses out."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from reg2rg.errors import InputError
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.training.case_cache import CaseStore
from reg2rg.training.config import Stage
from reg2rg.training.feature_cache import KeptStore
from reg2rg.training.losses import KeptVision, kept_vision, text_losses, thinned, vision_losses
from reg2rg.training.patches import finding_windows
from reg2rg.training.samples import TrainingCase


class Learner(nn.Module):
    """What the trainer sees.

    Only the parameters that the stage trains have gradients; they are float32, whatever the others are.
    """

    def __init__(self, model: Reg2RG, stage: Stage, store: CaseStore, kept: KeptStore | None) -> None:
        """``kept``: of the vision transformer as it is, where the stage leaves it so."""
        super().__init__()
        patch = model.config.vision.patch_size
        if stage.window and any(n % p for n, p in zip(stage.window, patch, strict=True)):
            raise InputError(f"A stage's window is {stage.window}; expected multiples of the patches {patch}.")
        self.model = model
        self._stage, self._store, self._kept = stage, store, kept
        trained = trained_parameters(model, stage)
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        for parameter in trained.values():
            parameter.data = parameter.data.float()
            parameter.requires_grad_(True)
        if stage.gradient_checkpointing:
            model.causal_lm.gradient_checkpointing_enable({"use_reentrant": False})

    def trained(self) -> dict[str, nn.Parameter]:
        """What the stage trains, by the model's own names."""
        return {name: parameter for name, parameter in self.model.named_parameters() if parameter.requires_grad}

    def train(self, mode: bool = True) -> Learner:
        super().train(mode)
        if self._stage.kind == "text" and self._stage.frozen:
            for module in _vision(self.model):
                module.eval()  # the published one kept dropout on in its frozen vision transformer
        return self

    def forward(self, cases: Tensor) -> dict[str, Tensor]:
        """Losses of cases given by their numbers (B)."""
        losses = self._losses(cases.tolist())
        wanted = self._stage.losses or tuple(losses)
        if missing := [name for name in wanted if name not in losses]:
            raise InputError(
                f"The stage's losses name {', '.join(missing)}; these cases have {', '.join(losses) or 'none'} "
                "(map needs finding masks)."
            )
        return {name: losses[name] for name in wanted}

    def _losses(self, numbers: Sequence[int]) -> dict[str, Tensor]:
        cases = [self._store[number] for number in numbers]
        if self._stage.kind == "vision":
            return self._vision_losses(cases)
        if self._kept is not None:
            kept = [self._kept[number] for number in numbers]
            return text_losses(self.model, *self._shuffled(cases, kept))
        kept = [kept_vision(self.model, case) for case in cases]
        losses = text_losses(self.model, *self._shuffled(cases, kept))
        teaches_vision = self.model.embedding_layer.finding_head and not self._stage.frozen
        return losses | (self._vision_losses(cases) if teaches_vision else {})

    def _vision_losses(self, cases: Sequence[TrainingCase]) -> dict[str, Tensor]:
        """Over some of the regions, or windows of them, while training, over all of them else."""
        samples = [sample for case in cases for sample in case.regions]
        if self.training:
            chance = random.Random(int(torch.randint(2**31, ())))
            if self._stage.window is None:
                return vision_losses(self.model, *thinned(cases, chance))
            samples = finding_windows(cases, self._stage.window, chance) or samples
        return vision_losses(self.model, samples, torch.ones(len(samples)))

    def _shuffled(
        self, cases: Sequence[TrainingCase], kept: Sequence[KeptVision]
    ) -> tuple[list[TrainingCase], list[KeptVision]]:
        """Regions in a new order each time, so that a slot's number says nothing of its region (paper, III-C)."""
        if not self.training:
            return list(cases), list(kept)
        pairs = [shuffled(case, seen) for case, seen in zip(cases, kept, strict=True)]
        return [case for case, _ in pairs], [seen for _, seen in pairs]


def shuffled(case: TrainingCase, kept: KeptVision) -> tuple[TrainingCase, KeptVision]:
    """A case, and what was kept of it, with its regions in a random order."""
    order = torch.randperm(len(case.regions))
    regions = tuple(case.regions[i] for i in order)
    tokens = tuple(kept.tokens[i] for i in order)
    cues = None if kept.cues is None else kept.cues.select(order)
    return dataclasses.replace(case, regions=regions), dataclasses.replace(kept, tokens=tokens, cues=cues)


def trained_parameters(model: Reg2RG, stage: Stage) -> dict[str, nn.Parameter]:
    """What a stage trains. Vision: the vision transformer and the finding head. Text: LoRA (the whole language model
    where it has none), perceiver, projections, mask encoder, boundary tokens and cues; vision too, unless frozen.
    """
    vision = {id(parameter) for module in _vision(model) for parameter in module.parameters()}
    lora = model.config.language.lora is not None
    chosen = {}
    for name, parameter in model.named_parameters():
        if id(parameter) in vision:
            wanted = stage.kind == "vision" or not stage.frozen
        elif name.startswith("lang_model.") or name == "embedding_layer.weight":
            wanted = stage.kind == "text" and (not lora or ".lora_" in name)
        else:
            wanted = stage.kind == "text"
        if wanted:
            chosen[name] = parameter
    return chosen


def _vision(model: Reg2RG) -> list[nn.Module]:
    encoder = model.embedding_layer
    return [encoder.vision_encoder] + ([encoder.finding_head] if encoder.finding_head else [])
