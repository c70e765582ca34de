"""Fitting around a head stage, from what was seen in the cases: an offset per finding before, temperatures after."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from reg2rg.models.reg2rg import Reg2RG
from reg2rg.training.calibration import fit_temperature
from reg2rg.training.case_cache import CaseCache
from reg2rg.training.feature_cache import SightingCache
from reg2rg.training.losses import conclude

OFFSET_DEVIATION = 1.0
"""Standard deviation of the prior for what is added to the logits of a finding."""


def add_offsets(model: Reg2RG, cases: CaseCache, seen: SightingCache) -> None:
    """Add to the logits of each finding what the training cases ask for.

    Args:
        model: the model, which is changed in place.
        cases: the cases.
        seen: what was seen in them.
    """
    head = model.embedding_layer.finding_head
    assert head is not None
    offsets = fit_offsets(*head_logits(model, cases, seen, cases.training))
    with torch.no_grad():
        head.output_bias[:, 0] += offsets.to(head.output_bias)


def fit_offsets(logits: Tensor, labels: Tensor) -> Tensor:
    """Fit one number per finding to add to its logits, so that they match the labels.

    Few cases are enough to put right a finding that is stated too often or too rarely this way; training its many
    weights needs more. The number is the most probable one given the labels and a normal prior with a standard
    deviation of OFFSET_DEVIATION, so findings with few labels keep their logits.

    Args:
        logits: (regions, F).
        labels: (regions, F), 1, 0, or NaN for unknown.

    Returns:
        The numbers (F,).
    """
    known = ~labels.isnan()
    target = labels.nan_to_num().double()
    offsets = torch.zeros(logits.shape[1], dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([offsets], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        bce = F.binary_cross_entropy_with_logits(logits.double() + offsets, target, reduction="none")
        loss = (bce * known).sum() + (offsets / OFFSET_DEVIATION).square().sum() / 2
        loss.backward()
        return loss

    optimizer.step(closure)
    return offsets.detach().float()


def calibrate_head(model: Reg2RG, cases: CaseCache, seen: SightingCache) -> None:
    """Fit the temperatures again after a head stage, for the kinds of volumes among the validation cases.

    The vision tokens are those of the initial model, so its out-of-distribution detector remains valid.

    Args:
        model: the trained model, which is changed in place.
        cases: the cases it was trained on.
        seen: what was seen in them.
    """
    head = model.embedding_layer.finding_head
    if model.config.findings is None or head is None or not len(cases.validation):
        return
    model.eval()
    by_kind = {
        kind: fit_temperature(
            *head_logits(model, cases, seen, [index for index in cases.validation if cases.kind(index) == kind])
        )
        for kind in {cases.kind(index) for index in cases.validation}
    }
    findings = dataclasses.replace(
        model.config.findings,
        temperature=fit_temperature(*head_logits(model, cases, seen, cases.validation)),
        kind_temperatures={**model.config.findings.kind_temperatures, **by_kind},
    )
    model.config = dataclasses.replace(model.config, findings=findings)
    head.config = findings


@torch.no_grad()
def head_logits(model: Reg2RG, cases: CaseCache, seen: SightingCache, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return the finding head's logits (regions, F) for cases, and their labels: 1, 0, or NaN for unknown."""
    logits, labels = [], []
    for index in indices:
        case = cases[index]
        for sample, sighting in zip(case.regions, seen[index].sightings, strict=True):
            logits.append(conclude(model, [sample], [sighting]).logits[0].cpu())
            labels.append(torch.from_numpy(sample.labels))
    return torch.stack(logits), torch.stack(labels)
