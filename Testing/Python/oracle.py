"""A perfect model: a stand-in for the report generator that knows everything about a phantom."""

from __future__ import annotations

from types import MappingProxyType

import SimpleITK as sitk
import torch

from reg2rg.benchmark.finding_groups import LABELS_OF
from reg2rg.inference import GeneratedSection, SeenFinding
from reg2rg.models.config import PreprocessingConfig
from reg2rg.models.ood_detector import OutOfDistribution
from reg2rg.phantom import PhantomCase
from reg2rg.preprocessing import ModelInputs

PREPROCESSING = PreprocessingConfig(image_size=(16,) * 3, texture_size=(16,) * 3, mask_size=(16,) * 3)


class Oracle:
    """Returns the phantom's own report and findings, and finding maps that equal their masks."""

    def __init__(self, phantom: PhantomCase) -> None:
        self.phantom = phantom

    def generate(
        self, inputs: ModelInputs, *, only=(), said=MappingProxyType({}), cues=True, **how
    ) -> list[GeneratedSection]:
        sections = []
        for region in only or inputs.textures:
            text = self.phantom.sections[region]
            for label, present in said.get(region, {}).items():
                text = f"{text} There is {label.lower()}." if present else "There is no abnormality."
            sections.append(GeneratedSection(region, region, text, (), True))
        return sections

    def findings(self, inputs: ModelInputs) -> dict[str, tuple[SeenFinding, ...]]:
        planted = {(f.region, f.label): (index, f) for index, f in enumerate(self.phantom.findings)}
        seen = {}
        for region in inputs.textures:
            seen[region] = tuple(
                self._there(inputs, *planted[region, label])
                if (region, label) in planted
                else SeenFinding(label, 0.0, None, None, None, None)
                for label in LABELS_OF[region]
            )
        return seen

    def familiarity(self, inputs: ModelInputs) -> OutOfDistribution:
        return OutOfDistribution(1.0, 1.5)

    def _there(self, inputs: ModelInputs, index, finding) -> SeenFinding:
        bits = inputs.crops[finding.region].cut(sitk.GetArrayFromImage(self.phantom.finding_bits))
        mask = torch.from_numpy(((bits >> index) & 1).astype("float32"))
        return SeenFinding(finding.label, 1.0, finding.side, finding.level, finding.size_mm, mask)
