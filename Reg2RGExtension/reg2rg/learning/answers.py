"""What a model says about held-out cases, next to what is known about them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from reg2rg.benchmark.finding_groups import LABELS_OF
from reg2rg.benchmark.statements import extract_statements
from reg2rg.checkpoints import ModelFolder
from reg2rg.inference import ReportGenerator
from reg2rg.learning.selection import ReviewedReport
from reg2rg.phantom import make_phantom
from reg2rg.preprocessing import prepare, with_scalars
from reg2rg.report import DETECTION_THRESHOLD, load_report
from reg2rg.report.reviewed_findings import reviewed_findings
from reg2rg.segmentation import RegionMasks
from reg2rg.volumes import read_volume

Known = Mapping[str, Mapping[str, bool]]
"""Region -> label -> whether the finding is present."""


@dataclass(frozen=True)
class HeldOutCase:
    """A case that both models are compared on.

    Attributes:
        known: what is known about its findings.
        load: reads or makes the CT and its regions.
    """

    known: Known
    load: Callable[[], tuple[sitk.Image, RegionMasks]]


@dataclass(frozen=True)
class Answer:
    """What a model says about one finding in one region, if it is known whether the finding is present.

    Attributes:
        label: the finding.
        present: whether it is present.
        probability: what the finding head says; None without one.
        stated: whether the text states it.
    """

    label: str
    present: bool
    probability: float | None
    stated: bool

    @property
    def detected(self) -> bool:
        """Whether the finding head detects it."""
        return self.probability is not None and self.probability >= DETECTION_THRESHOLD


@dataclass(frozen=True)
class Answers:
    """The answers of one model.

    Attributes:
        answers: one per known finding.
        claims_per_ct: findings that its texts state per CT, known or not.
        known_per_ct: findings per CT that are known to be present.
    """

    answers: tuple[Answer, ...]
    claims_per_ct: float
    known_per_ct: float


def reviewed_case(reviewed: ReviewedReport) -> HeldOutCase:
    """Return a signed report as a case, about whose findings the review speaks."""
    known = {
        region: {label: present for label, present in findings.items() if present is not None}
        for region, findings in reviewed_findings(reviewed.report).items()
    }
    case = reviewed.case
    return HeldOutCase(known, lambda: (read_volume(case.ct, case.series), load_report(case.report).masks))


def phantom_case(seed: int) -> HeldOutCase:
    """Return a phantom as a case, all of whose findings are known."""
    phantom = make_phantom(seed)
    planted = {(finding.region, finding.label) for finding in phantom.findings}
    known = {
        region: {label: (region, label) in planted for label in LABELS_OF[region]} for region in phantom.masks.present
    }

    def load() -> tuple[sitk.Image, RegionMasks]:
        again = make_phantom(seed)  # it is not kept, because it takes much memory
        return again.volume, again.masks

    return HeldOutCase(known, load)


def collect_answers(model: Path, cases: Sequence[HeldOutCase], device: str) -> Answers:
    """Ask a model about cases.

    Args:
        model: the model folder.
        cases: the cases.
        device: name of the torch device.
    """
    generator = ReportGenerator(ModelFolder.open(model).load(device))
    answers: list[Answer] = []
    claims = 0
    for case in cases:
        of_case, stated = _ask(generator, case)
        answers += of_case
        claims += stated
    known = sum(present for case in cases for findings in case.known.values() for present in findings.values())
    return Answers(tuple(answers), claims / len(cases), known / len(cases))


def _ask(generator: ReportGenerator, case: HeldOutCase) -> tuple[Iterable[Answer], int]:
    """Return the answers about a case, and how many findings the texts state."""
    config = generator.model.config
    volume, masks = case.load()
    inputs = with_scalars(prepare(volume, masks, config.preprocessing), volume, masks, config.scalars)
    detected = generator.detect(inputs)
    sections = generator.generate(inputs, parallel=config.parallel)
    stated = {section.region: extract_statements(section.text, section.region) for section in sections}
    answers = []
    for region, statements in stated.items():
        found = detected.get(region)
        probabilities = {finding.label: finding.probability for finding in found.findings} if found else {}
        answers += [
            Answer(label, present, probabilities.get(label), label in statements)
            for label, present in case.known.get(region, {}).items()
        ]
    return answers, sum(map(len, stated.values()))
