"""Fitting after training: the finding head's temperature and sizes, and the out-of-distribution detector."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from reg2rg.models.config import FindingConfig
from reg2rg.models.ood_detector import OODDetector
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.regions import REGION_NAMES
from reg2rg.training.case_cache import CaseCache
from reg2rg.training.samples import decode_volumes

OOD_TRAINING_CASES = 500
"""Maximum number of training cases that the out-of-distribution detector is fitted on; more do not improve it."""

TEMPERATURE_RANGE = (0.05, 20.0)
"""Limits of the temperature. Logits that separate the labels without an error would otherwise drive it to 0."""


def calibrate(model: Reg2RG, cases: CaseCache) -> None:
    """Fit the temperature on validation cases, and the out-of-distribution detector on training and validation cases.

    The model is changed in place. The detector tells the kinds of volumes apart that the cases consist of. Findings
    whose size is not stated in any text of these cases lose their size, because the head never learned it. A model
    without a finding head or without validation cases is left unchanged: its temperature stays 1, and no volume is ever
    out of distribution.

    Args:
        model: the trained model.
        cases: the cases it was trained on.
    """
    head = model.embedding_layer.finding_head
    if model.config.findings is None or head is None or not len(cases.validation):
        return
    model.eval()
    validation = _run_head(model, cases, cases.validation)
    training = _run_head(model, cases, cases.training[:OOD_TRAINING_CASES])
    kinds = tuple(dict.fromkeys(validation.kinds))
    findings = dataclasses.replace(
        model.config.findings,
        temperature=fit_temperature(validation.logits, validation.labels),
        sized=select_sized(model.config.findings, torch.cat([validation.sizes, training.sizes])),
        kinds=kinds,
    )
    model.config = dataclasses.replace(model.config, findings=findings)
    head.config = findings
    detector = OODDetector(model.config.vision.dim, findings.ood_directions, kinds).to(model.device)
    for number, kind in enumerate(kinds):
        detector.fit(number, training.means_of(kind), validation.means_of(kind))
    model.embedding_layer.ood_detector = detector


def select_sized(config: FindingConfig, sizes: Tensor) -> tuple[str, ...]:
    """Select the findings whose size is stated by at least one text.

    Args:
        config: the finding head, with the findings that can have a size.
        sizes: (regions, F) in mm, NaN where the text does not state it.

    Returns:
        Their labels.
    """
    is_stated = (~sizes.isnan()).any(dim=0).tolist()
    labels = zip(config.labels, is_stated, strict=True)
    return tuple(label for label, stated in labels if stated and label in config.sized)


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Fit the temperature that minimizes the negative log-likelihood of the labels.

    See Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.

    Args:
        logits: (regions, F).
        labels: (regions, F), 1, 0, or NaN for unknown.

    Returns:
        The number by which to divide the logits, within TEMPERATURE_RANGE; 1 without known labels.
    """
    known = ~labels.isnan()
    logits, labels = logits[known].double(), labels[known].double()
    if not len(logits):
        return 1.0
    log_temperature = torch.zeros((), dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_temperature], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(logits / log_temperature.exp(), labels)
        loss.backward()
        return loss

    optimizer.step(closure)
    return float(log_temperature.detach().exp().clamp(*TEMPERATURE_RANGE))


@dataclass(frozen=True)
class _HeadOutputs:
    """Outputs of the finding head, with the targets.

    Attributes:
        logits: (regions, F).
        labels: (regions, F).
        sizes: (regions, F).
        means: for each case, region -> mean of its vision tokens (dim).
        kinds: for each case, the kind of its volume.
    """

    logits: Tensor
    labels: Tensor
    sizes: Tensor
    means: list[dict[str, Tensor]]
    kinds: list[str]

    def means_of(self, kind: str) -> list[dict[str, Tensor]]:
        """Return the means of the cases with one kind of volume."""
        return [means for means, own in zip(self.means, self.kinds, strict=True) if own == kind]


@torch.no_grad()
def _run_head(model: Reg2RG, cases: CaseCache, indices: Sequence[int]) -> _HeadOutputs:
    """Run the finding head on cases."""
    encoder, device = model.embedding_layer, model.device
    logits, labels, sizes, means = [], [], [], []
    for index in indices:
        case_means = {}
        for sample in cases[index].regions:
            texture = decode_volumes([sample.texture], model.config.preprocessing).to(device)
            voxel_mm, scalars = (torch.from_numpy(a)[None].to(device) for a in (sample.voxel_mm, sample.scalars))
            output = encoder.detect_findings(texture, voxel_mm, scalars)
            logits.append(output.logits[0].cpu())
            labels.append(torch.from_numpy(sample.labels))
            sizes.append(torch.from_numpy(sample.sizes))
            case_means[REGION_NAMES[sample.region]] = output.tokens[0].float().mean(dim=0).cpu()
        means.append(case_means)
    kinds = [cases.kind(index) for index in indices]
    return _HeadOutputs(torch.stack(logits), torch.stack(labels), torch.stack(sizes), means, kinds)
