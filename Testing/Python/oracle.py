"""A perfect model: a stand-in for the report generator that knows everything about a phantom."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import SimpleITK as sitk
import torch
from torch import Tensor

from reg2rg.benchmark.finding_groups import LABELS_OF
from reg2rg.inference import DetectedRegion, GeneratedSection
from reg2rg.models.config import PreprocessingConfig
from reg2rg.phantom import PhantomCase
from reg2rg.preprocessing import ModelInputs
from reg2rg.regions import Corrections
from reg2rg.report import Finding, OutOfDistribution

PREPROCESSING = PreprocessingConfig(image_size=(16,) * 3, texture_size=(16,) * 3, mask_size=(16,) * 3)


class Oracle:
    """Returns the phantom's own report and findings, and finding maps that equal their masks."""

    def __init__(self, phantom: PhantomCase) -> None:
        self.phantom = phantom

    def generate(
        self,
        inputs: ModelInputs,
        *,
        regions: Sequence[str] = (),
        corrections: Corrections = MappingProxyType({}),
        **settings: object,
    ) -> list[GeneratedSection]:
        """Return the phantom's own sections, changed as the corrections demand."""
        sections = []
        for region in regions or inputs.textures:
            text = self.phantom.sections[region]
            for label, present in corrections.get(region, {}).items():
                text = f"{text} There is {label.lower()}." if present else "There is no abnormality."
            sections.append(GeneratedSection(region, region, text, (), True))
        return sections

    def detect(self, inputs: ModelInputs) -> dict[str, DetectedRegion]:
        """Return planted findings with probability 1 and all others with probability 0."""
        planted = {(f.region, f.label): (index, f) for index, f in enumerate(self.phantom.findings)}
        detected = {}
        for region in inputs.textures:
            findings: list[Finding] = []
            maps: dict[str, Tensor] = {}
            for label in LABELS_OF[region]:
                if (region, label) not in planted:
                    findings.append(Finding(label, 0.0))
                    continue
                index, finding = planted[region, label]
                findings.append(Finding(label, 1.0, finding.side, finding.level, finding.size_mm))
                bits = inputs.crops[region].cut(sitk.GetArrayFromImage(self.phantom.finding_bits))
                maps[label] = torch.from_numpy(((bits >> index) & 1).astype("float32"))
            detected[region] = DetectedRegion(tuple(findings), maps)
        return detected

    def out_of_distribution(self, inputs: ModelInputs) -> OutOfDistribution | None:
        """Return a distance below the limit."""
        return OutOfDistribution(1.0, 1.5)

    def supported(self, out_of_distribution: OutOfDistribution | None) -> None:
        """State all findings."""
