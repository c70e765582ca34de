"""Asking a model everything about one case."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from torch import Tensor

from reg2rg.benchmark.finding_groups import LABELS_OF, REGION_OF
from reg2rg.benchmark.records import CaseRecord, CorrectionRecord, DetectionRecord, PlantedRecord, SectionRecord
from reg2rg.benchmark.statements import read_statements
from reg2rg.inference import ReportGenerator
from reg2rg.models.config import PreprocessingConfig
from reg2rg.phantom import PhantomCase
from reg2rg.preprocessing import Crop, ModelInputs, prepare
from reg2rg.report import Finding
from reg2rg.segmentation.masks import RegionMasks

CLAIMED = 3
"""Sections of a case written again with a finding claimed that is not there."""


@dataclass(frozen=True)
class GenerationSettings:
    """How a model is asked.

    Attributes:
        preprocessing: the model's.
        labels: those that it takes cues of; if there are any it is asked without cues and corrected, too.
        parallel: as for Writer.write.
        max_new_tokens: limit of a text.
    """

    preprocessing: PreprocessingConfig
    labels: tuple[str, ...]
    parallel: bool
    max_new_tokens: int


def examine_phantom(generator: ReportGenerator, settings: GenerationSettings, phantom: PhantomCase) -> CaseRecord:
    """What the model says of a phantom, first in its own way, then without cues, then corrected."""
    inputs = prepare(phantom.volume, phantom.masks, settings.preprocessing)
    planted = [_planted(phantom, index) for index in range(len(phantom.findings))]
    places = {(f.region, f.label): _voxels_mm(phantom, index) for index, f in enumerate(phantom.findings)}
    return _examine(generator, settings, inputs, str(phantom.seed), planted, places, phantom.sections)


def examine_volume(
    generator: ReportGenerator, settings: GenerationSettings, name: str, volume: sitk.Image, masks: RegionMasks
) -> CaseRecord:
    """What the model says of a CT of which nothing is known."""
    inputs = prepare(volume, masks, settings.preprocessing)
    return _examine(generator, settings, inputs, name, [], {}, {})


def _examine(
    generator: ReportGenerator,
    settings: GenerationSettings,
    inputs: ModelInputs,
    name: str,
    planted: Sequence[PlantedRecord],
    places: Mapping[tuple[str, str], _Voxels],
    references: Mapping[str, str],
) -> CaseRecord:
    how = {"parallel": settings.parallel, "max_new_tokens": settings.max_new_tokens}
    written = generator.generate(inputs, **how)
    silent = {s.region: s.text for s in generator.generate(inputs, use_cues=False, **how)} if settings.labels else {}
    detected, out_of_distribution = generator.detect(inputs), generator.out_of_distribution(inputs)
    texts = {section.region: section.text for section in written}
    corrections = _corrections(generator, settings, inputs, how, texts, planted, name) if references else {}
    sections = []
    for section in written:
        region = section.region
        seen = []
        if region in detected:
            maps = detected[region].maps
            seen = [
                _seen(finding, maps.get(finding.label), inputs.crops[region], places.get((region, finding.label)))
                for finding in detected[region].findings
                if finding.label in maps or REGION_OF.get(finding.label) == region
            ]
        sections.append(
            SectionRecord(
                region=region,
                reference=references.get(region, ""),
                text=section.text,
                without_cues=silent.get(region),
                recognised=section.recognized,
                complete=section.complete,
                seen=tuple(seen),
                corrections=tuple(corrections.get(region, ())),
            )
        )
    check = out_of_distribution
    distance, limit = (check.distance, check.limit) if check else (None, None)
    return CaseRecord(name, tuple(planted), tuple(sections), distance, limit)


def _corrections(
    generator: ReportGenerator,
    settings: GenerationSettings,
    inputs: ModelInputs,
    how: Mapping,
    texts: Mapping[str, str],
    planted: Sequence[PlantedRecord],
    name: str,
) -> dict[str, list[CorrectionRecord]]:
    """One right statement of each section rejected, and findings claimed that are neither there nor stated."""
    draw = random.Random(name)
    rejected, claimed = {}, {}
    for region, text in texts.items():
        there = {finding.label for finding in planted if finding.region == region}
        stated, known = set(read_statements(text, region)), set(LABELS_OF[region]) & set(settings.labels)
        rejected[region] = _one_of(known & there & stated, draw)
        claimed[region] = _one_of(known - there - stated, draw)
    possible = sorted(region for region, label in claimed.items() if label)
    claimed = {region: claimed[region] for region in draw.sample(possible, min(CLAIMED, len(possible)))}
    corrections: dict[str, list[CorrectionRecord]] = {region: [] for region in texts}
    for labels, present in ((rejected, False), (claimed, True)):
        said = {region: {label: present} for region, label in labels.items() if label}
        if said:
            for section in generator.generate(inputs, regions=list(said), corrections=said, **how):
                (label,) = said[section.region]
                corrections[section.region].append(CorrectionRecord(label, present, section.text))
    return corrections


def _one_of(labels: Collection[str], draw: random.Random) -> str | None:
    return draw.choice(sorted(labels)) if labels else None


@dataclass(frozen=True)
class _Voxels:
    """Voxels of a finding: indices (N, 3) along z, y, x, and the size of one in mm."""

    indices: np.ndarray
    spacing: np.ndarray

    def distance(self, point: np.ndarray) -> float:
        """From a voxel to the nearest of them, mm."""
        return float(np.linalg.norm((self.indices - point) * self.spacing, axis=1).min())


def _finding_array(phantom: PhantomCase, index: int) -> np.ndarray:
    return (sitk.GetArrayViewFromImage(phantom.finding_bits) >> index) & 1 != 0


def _voxels_mm(phantom: PhantomCase, index: int) -> _Voxels:
    spacing = np.array(phantom.finding_bits.GetSpacing()[::-1])
    return _Voxels(np.argwhere(_finding_array(phantom, index)), spacing)


def _planted(phantom: PhantomCase, index: int) -> PlantedRecord:
    finding = phantom.findings[index]
    region = phantom.masks.array(finding.region) != 0
    chance = float((_finding_array(phantom, index) & region).sum() / max(1, region.sum()))
    return PlantedRecord(finding.label, finding.region, finding.side, finding.level, finding.size_mm, chance)


def _seen(finding: Finding, finding_map: Tensor | None, crop: Crop, place: _Voxels | None) -> DetectionRecord:
    distance = None
    if finding_map is not None and place is not None and len(place.indices):
        values = crop.to_volume(finding_map)
        best = np.unravel_index(values.argmax(), values.shape)
        distance = place.distance(np.array(best) + [span.start for span in crop.box])
    return DetectionRecord(finding.label, finding.probability, finding.side, finding.level, finding.size_mm, distance)
