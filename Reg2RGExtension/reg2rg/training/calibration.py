"""Fitting after training: the temperature, sizes and supported findings of the finding head, and the OOD detector."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from reg2rg.labeler import POSSIBLE_REGIONS, possible_labels
from reg2rg.models.config import FindingConfig
from reg2rg.models.ood_detector import OODDetector
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.regions import REGION_NAMES
from reg2rg.training.case_cache import CaseCache
from reg2rg.training.config import CTS
from reg2rg.training.samples import decode_volumes

OOD_TRAINING_CASES = 500
"""Maximum number of training cases that the out-of-distribution detector is fitted on; more do not improve it."""

MIN_HITS, MIN_PRECISION = 5, 0.7
"""Smallest number of correct detections, and their smallest share of all, at which a finding's precision is shown."""

MIN_ABSENT = 20
"""Smallest number of regions that are known not to have a finding. Without them, no detection could be wrong."""

TEMPERATURE_RANGE = (0.05, 20.0)
"""Limits of the temperature. Logits that separate the labels without an error would otherwise drive it to 0."""


def calibrate(model: Reg2RG, cases: CaseCache) -> None:
    """Fit the temperatures on validation cases, and the out-of-distribution detector on training and validation cases.

    The model is changed in place. The detector tells the kinds of volumes apart that the cases consist of. In CTs, the
    model supports only findings whose precision is shown on the validation cases. Findings whose size is not stated in
    any text of these cases lose their size, because the head never learned it. A model without a finding head or
    without validation cases is left unchanged: its temperature stays 1, and no volume is ever out of distribution.

    Args:
        model: the trained model.
        cases: the cases it was trained on.
    """
    head = model.embedding_layer.finding_head
    if model.config.findings is None or head is None or not len(cases.validation):
        return
    model.eval()
    validation = run_head(model, cases, cases.validation)
    training = run_head(model, cases, cases.training[:OOD_TRAINING_CASES])
    kinds = tuple(dict.fromkeys(validation.kinds))
    by_kind = {kind: validation.of_kind(kind) for kind in kinds}
    supported = {CTS: supported_labels(model.config.findings.labels, by_kind[CTS])} if CTS in kinds else {}
    findings = dataclasses.replace(
        model.config.findings,
        temperature=fit_temperature(validation.logits, validation.labels),
        kind_temperatures={kind: fit_temperature(each.logits, each.labels) for kind, each in by_kind.items()},
        sized=select_sized(model.config.findings, torch.cat([validation.sizes, training.sizes])),
        kinds=kinds,
        supported=supported,
    )
    model.config = dataclasses.replace(model.config, findings=findings)
    head.config = findings
    detector = OODDetector(model.config.vision.dim, findings.ood_directions, kinds).to(model.device)
    for number, kind in enumerate(kinds):
        detector.fit(number, training.of_kind(kind).means, by_kind[kind].means)
    model.embedding_layer.ood_detector = detector


def supported_labels(labels: Sequence[str], outputs: HeadOutputs) -> tuple[str, ...]:
    """Return the findings whose precision is shown on validation cases.

    The temperature does not matter, because it does not change which findings are detected.

    Args:
        labels: labels of the finding head.
        outputs: its outputs on the validation cases of one kind.

    Returns:
        The labels with at least MIN_HITS correct detections that are at least MIN_PRECISION of all detections. Where
        the truth is unknown, a detection does not count; therefore, the finding must be known to be absent from at
        least MIN_ABSENT of the regions that usually report it.
    """
    detected = outputs.logits >= 0
    possible = torch.tensor([[label in possible_labels(region) for label in labels] for region in outputs.regions])
    usual = torch.tensor([[POSSIBLE_REGIONS[label][0] == region for label in labels] for region in outputs.regions])
    hits = (detected & possible & (outputs.labels == 1)).sum(dim=0).tolist()
    errors = (detected & possible & (outputs.labels == 0)).sum(dim=0).tolist()
    absent = (usual & (outputs.labels == 0)).sum(dim=0).tolist()
    return tuple(
        label
        for label, hit, error, without in zip(labels, hits, errors, absent, strict=True)
        if without >= MIN_ABSENT and hit >= MIN_HITS and hit >= MIN_PRECISION * (hit + error)
    )


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
class HeadOutputs:
    """Outputs of the finding head, with the targets.

    Attributes:
        logits: (rows, F), one row for each region of each case.
        labels: (rows, F), 1, 0, or NaN for unknown.
        sizes: (rows, F) in mm.
        regions: for each row, the name of the region.
        cases: for each row, the index of its case.
        means: for each case, region -> mean of its vision tokens (dim).
        kinds: for each case, the kind of its volume.
    """

    logits: Tensor
    labels: Tensor
    sizes: Tensor
    regions: list[str]
    cases: list[int]
    means: list[dict[str, Tensor]]
    kinds: list[str]

    def of_kind(self, kind: str) -> HeadOutputs:
        """Return the outputs for the cases with one kind of volume."""
        rows = [row for row, case in enumerate(self.cases) if self.kinds[case] == kind]
        cases = [case for case, own in enumerate(self.kinds) if own == kind]
        return HeadOutputs(
            self.logits[rows],
            self.labels[rows],
            self.sizes[rows],
            [self.regions[row] for row in rows],
            [cases.index(self.cases[row]) for row in rows],
            [self.means[case] for case in cases],
            [kind] * len(cases),
        )


@torch.no_grad()
def run_head(model: Reg2RG, cases: CaseCache, indices: Sequence[int]) -> HeadOutputs:
    """Run the finding head on cases."""
    encoder, device = model.embedding_layer, model.device
    logits, labels, sizes, regions, rows, means = [], [], [], [], [], []
    for number, index in enumerate(indices):
        case_means = {}
        for sample in cases[index].regions:
            texture = decode_volumes([sample.texture], model.config.preprocessing).to(device)
            voxel_mm, scalars = (torch.from_numpy(a)[None].to(device) for a in (sample.voxel_mm, sample.scalars))
            output = encoder.detect_findings(texture, voxel_mm, scalars)
            logits.append(output.logits[0].cpu())
            labels.append(torch.from_numpy(sample.labels))
            sizes.append(torch.from_numpy(sample.sizes))
            regions.append(REGION_NAMES[sample.region])
            rows.append(number)
            case_means[REGION_NAMES[sample.region]] = output.tokens[0].float().mean(dim=0).cpu()
        means.append(case_means)
    kinds = [cases.kind(index) for index in indices]
    return HeadOutputs(torch.stack(logits), torch.stack(labels), torch.stack(sizes), regions, rows, means, kinds)
