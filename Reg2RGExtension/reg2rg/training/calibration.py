"""What is fitted after training: temperature and sizes of the finding head, and what a familiar volume looks like."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from reg2rg.models.config import FindingConfig
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.regions import REGION_NAMES
from reg2rg.training.case_cache import CaseStore
from reg2rg.training.samples import decoded

FAMILIAR_CASES = 500
"""Training cases that familiarity is fitted on: directions and spreads of means need no more."""


def calibrate(model: Reg2RG, store: CaseStore) -> None:
    """Fit the temperature on the validation cases, and familiarity on training and validation cases.

    Of a finding whose size none of these cases tells, the head tells none from now on: it was never taught it.
    Nothing to do for a model without a finding head; without validation cases its temperature stays 1, and no volume is
    ever unfamiliar.
    """
    if model.config.findings is None or not len(store.validation):
        return
    model.eval()
    validation, training = (_seen(model, store, n) for n in (store.validation, store.training[:FAMILIAR_CASES]))
    findings = dataclasses.replace(
        model.config.findings,
        temperature=fit_temperature(validation.logits, validation.labels),
        sized=taught_sizes(model.config.findings, torch.cat([validation.sizes, training.sizes])),
    )
    model.config = dataclasses.replace(model.config, findings=findings)
    model.embedding_layer.finding_head.config = findings
    model.embedding_layer.ood_detector.fit(training.means, validation.means)


def taught_sizes(config: FindingConfig, sizes: Tensor) -> tuple[str, ...]:
    """Findings with a size of which some region's text tells one; ``sizes``: (regions, F), nan where it does not."""
    told = (~sizes.isnan()).any(dim=0).tolist()
    return tuple(label for label, is_told in zip(config.labels, told, strict=True) if is_told and label in config.sized)


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The number to divide logits by for the least negative log-likelihood of labels (1, 0, or nan for unknown).

    Kept within 0.05 and 20: labels that logits tell apart without an error would ask for 0.
    """
    known = ~labels.isnan()
    logits, labels = logits[known].double(), labels[known].double()
    if not len(logits):
        return 1.0
    scale = torch.zeros((), dtype=torch.double, requires_grad=True)  # logarithm of the temperature
    optimiser = torch.optim.LBFGS([scale], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = F.binary_cross_entropy_with_logits(logits / scale.exp(), labels)
        value.backward()
        return value

    optimiser.step(loss)
    return float(scale.detach().exp().clamp(0.05, 20.0))


@dataclass(frozen=True)
class _Seen:
    """Of cases: logits, labels and sizes (regions, F), and region -> mean of its vision tokens, case by case."""

    logits: Tensor
    labels: Tensor
    sizes: Tensor
    means: list[dict[str, Tensor]]


@torch.no_grad()
def _seen(model: Reg2RG, store: CaseStore, numbers: Sequence[int]) -> _Seen:
    encoder, device = model.embedding_layer, model.device
    logits, labels, sizes, means = [], [], [], []
    for number in numbers:
        case_means = {}
        for sample in store[number].regions:
            texture = decoded([sample.texture], model.config.preprocessing).to(device)
            output = encoder.detect_findings(texture, torch.from_numpy(sample.voxel_mm)[None].to(device))
            logits.append(output.logits[0].cpu())
            labels.append(torch.from_numpy(sample.labels))
            sizes.append(torch.from_numpy(sample.sizes))
            case_means[REGION_NAMES[sample.region]] = output.tokens[0].float().mean(dim=0).cpu()
        means.append(case_means)
    return _Seen(torch.stack(logits), torch.stack(labels), torch.stack(sizes), means)
