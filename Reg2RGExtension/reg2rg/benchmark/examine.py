"""Query a model about everything in one case."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import SimpleITK as sitk
from torch import Tensor

from reg2rg.benchmark.finding_groups import LABELS_OF, REGION_OF
from reg2rg.benchmark.records import (
    CaseRecord,
    CorrectionRecord,
    DetectionRecord,
    PlantedRecord,
    SectionRecord,
)
from reg2rg.benchmark.statements import extract_statements
from reg2rg.inference import DetectedRegion, GeneratedSection, ReportGenerator
from reg2rg.models.config import PreprocessingConfig
from reg2rg.phantom import PhantomCase
from reg2rg.planting import PlantedCase
from reg2rg.preprocessing import Crop, ModelInputs, prepare, with_scalars
from reg2rg.regions import Corrections
from reg2rg.report import Finding, OutOfDistribution
from reg2rg.segmentation import RegionMasks

ADDED_PER_CASE = 3
"""Sections of a case that are regenerated with an absent finding marked as present."""


@dataclass(frozen=True)
class GenerationSettings:
    """Settings to use a model with.

    Attributes:
        preprocessing: The model's preprocessing.
        cue_labels: Labels that the model takes cues for. If there are any, it is also tested without cues and with
            corrections.
        parallel: As in ``ReportGenerator.generate``.
        max_new_tokens: Maximum number of generated tokens per text.
        scalars: Scalars that the model reads.
    """

    preprocessing: PreprocessingConfig
    cue_labels: tuple[str, ...]
    parallel: bool
    max_new_tokens: int
    scalars: tuple[str, ...] = ()

    def inputs(self, volume: sitk.Image, masks: RegionMasks) -> ModelInputs:
        """Return the model's inputs for a volume in HU and its regions."""
        return with_scalars(prepare(volume, masks, self.preprocessing), volume, masks, self.scalars)


@dataclass(frozen=True)
class _Voxels:
    """Voxels of a finding.

    Attributes:
        indices: Voxel indices along z, y, x, (N, 3).
        spacing: Voxel size along z, y, x in mm, (3,).
    """

    indices: np.ndarray
    spacing: np.ndarray

    def distance(self, point: np.ndarray) -> float:
        """Return the distance in mm from a voxel to the nearest of these voxels."""
        return float(np.linalg.norm((self.indices - point) * self.spacing, axis=1).min())


def examine_phantom(generator: ReportGenerator, settings: GenerationSettings, phantom: PhantomCase) -> CaseRecord:
    """Record what the model answers about a phantom: as usual, without cues, and with corrections."""
    inputs = settings.inputs(phantom.volume, phantom.masks)
    planted = [_planted_record(phantom, index) for index in range(len(phantom.findings))]
    voxels = {(f.region, f.label): _finding_voxels(phantom, index) for index, f in enumerate(phantom.findings)}
    examination = _Examination(generator, settings, inputs, str(phantom.seed), planted, voxels, phantom.sections)
    return examination.record()


def detect_in_case(generator: ReportGenerator, settings: GenerationSettings, case: PlantedCase) -> CaseRecord:
    """Record what the finding head detects in a real CT with planted findings, without writing texts."""
    inputs = settings.inputs(case.volume, case.masks)
    present = [index for index, finding in enumerate(case.findings) if finding.region in inputs.textures]
    planted = [_planted_record(case, index) for index in present]
    voxels = {(case.findings[i].region, case.findings[i].label): _finding_voxels(case, i) for i in present}
    return _Examination(generator, settings, inputs, str(case.seed), planted, voxels, case.sections).detections_only()


def detect_lesion(
    generator: ReportGenerator,
    settings: GenerationSettings,
    volume: sitk.Image,
    masks: RegionMasks,
    lesion: np.ndarray,
    labels: Collection[str],
) -> tuple[DetectionRecord, ...]:
    """Return what the finding head detects for some labels of the lung, with their distances from a lesion.

    Args:
        generator: The model.
        settings: Settings to use it with.
        volume: The CT in HU.
        masks: Its region masks.
        lesion: Boolean array (z, y, x).
        labels: The labels.
    """
    inputs = settings.inputs(volume, masks)
    voxels = _Voxels(np.argwhere(lesion), np.array(volume.GetSpacing()[::-1]))
    examination = _Examination(generator, settings, inputs, "", [], {("lung", label): voxels for label in labels}, {})
    found = (section.detections for section in examination.detections_only().sections if section.region == "lung")
    return tuple(detection for detections in found for detection in detections if detection.label in labels)


def examine_volume(
    generator: ReportGenerator, settings: GenerationSettings, name: str, volume: sitk.Image, masks: RegionMasks
) -> CaseRecord:
    """Record what the model answers about a CT whose findings are unknown."""
    inputs = settings.inputs(volume, masks)
    return _Examination(generator, settings, inputs, name, [], {}, {}).record()


@dataclass(frozen=True)
class _Examination:
    """The examination of one case by a model.

    Attributes:
        generator: The model.
        settings: Settings to use it with.
        inputs: Its inputs for this case.
        name: Name of the case.
        planted: Planted findings; empty for a real CT.
        voxels: (region, label) -> voxels of the planted finding.
        references: Region -> the phantom's own section; empty for a real CT.
    """

    generator: ReportGenerator
    settings: GenerationSettings
    inputs: ModelInputs
    name: str
    planted: Sequence[PlantedRecord]
    voxels: Mapping[tuple[str, str], _Voxels]
    references: Mapping[str, str]

    def record(self) -> CaseRecord:
        """Query the model and record its answers."""
        sections = self._generate()
        without_cues = {}
        if self.settings.cue_labels:
            without_cues = {section.region: section.text for section in self._generate(use_cues=False)}
        detected = self.generator.detect(self.inputs)
        texts = {section.region: section.text for section in sections}
        corrections = self._correct(texts) if self.references else {}
        records = tuple(
            SectionRecord(
                region=section.region,
                reference=self.references.get(section.region, ""),
                text=section.text,
                text_without_cues=without_cues.get(section.region),
                recognized=section.recognized,
                complete=section.complete,
                detections=self._detections(section.region, detected.get(section.region)),
                corrections=tuple(corrections.get(section.region, ())),
            )
            for section in sections
        )
        return self._case_record(records)

    def detections_only(self) -> CaseRecord:
        """Record what the finding head detects."""
        detected = self.generator.detect(self.inputs)
        records = tuple(
            SectionRecord(
                region=region,
                reference=self.references.get(region, ""),
                text="",
                text_without_cues=None,
                recognized=None,
                complete=False,
                detections=self._detections(region, each),
            )
            for region, each in detected.items()
        )
        return self._case_record(records)

    def _case_record(self, sections: tuple[SectionRecord, ...]) -> CaseRecord:
        out_of_distribution = self._out_of_distribution
        distance = out_of_distribution.distance if out_of_distribution else None
        limit = out_of_distribution.limit if out_of_distribution else None
        return CaseRecord(self.name, tuple(self.planted), sections, distance, limit, self._supported)

    @cached_property
    def _out_of_distribution(self) -> OutOfDistribution | None:
        return self.generator.out_of_distribution(self.inputs)

    @cached_property
    def _supported(self) -> tuple[str, ...] | None:
        return self.generator.supported(self._out_of_distribution)

    def _generate(
        self,
        regions: Sequence[str] = (),
        corrections: Corrections | None = None,
        use_cues: bool = True,
    ) -> list[GeneratedSection]:
        return self.generator.generate(
            self.inputs,
            regions=regions,
            corrections=corrections or {},
            use_cues=use_cues,
            supported=self._supported,
            parallel=self.settings.parallel,
            max_new_tokens=self.settings.max_new_tokens,
        )

    def _correct(self, texts: Mapping[str, str]) -> dict[str, list[CorrectionRecord]]:
        """Regenerate sections after corrections.

        In each section, one correctly stated finding is rejected. In some sections, a finding that is neither planted
        nor stated is marked as present.
        """
        rng = random.Random(self.name)
        rejected: dict[str, str | None] = {}
        added: dict[str, str | None] = {}
        for region, text in texts.items():
            planted = {finding.label for finding in self.planted if finding.region == region}
            stated = set(extract_statements(text, region))
            known = set(LABELS_OF[region]) & set(self.settings.cue_labels)
            rejected[region] = _choose(known & planted & stated, rng)
            added[region] = _choose(known - planted - stated, rng)
        possible = sorted(region for region, label in added.items() if label)
        added = {region: added[region] for region in rng.sample(possible, min(ADDED_PER_CASE, len(possible)))}
        records: dict[str, list[CorrectionRecord]] = {region: [] for region in texts}
        for labels, present in ((rejected, False), (added, True)):
            corrections = {region: {label: present} for region, label in labels.items() if label}
            if corrections:
                for section in self._generate(list(corrections), corrections):
                    (label,) = corrections[section.region]
                    records[section.region].append(CorrectionRecord(label, present, section.text))
        return records

    def _detections(self, region: str, detected: DetectedRegion | None) -> tuple[DetectionRecord, ...]:
        """Record all labels of the region, and labels of other regions that have a finding map."""
        if detected is None:
            return ()
        crop, maps = self.inputs.crops[region], detected.maps
        return tuple(
            _detection_record(finding, maps.get(finding.label), crop, self.voxels.get((region, finding.label)))
            for finding in detected.findings
            if finding.label in maps or REGION_OF.get(finding.label) == region
        )


def _choose(labels: Collection[str], rng: random.Random) -> str | None:
    return rng.choice(sorted(labels)) if labels else None


def _finding_mask(phantom: PhantomCase | PlantedCase, index: int) -> np.ndarray:
    return (sitk.GetArrayViewFromImage(phantom.finding_bits) >> index) & 1 != 0


def _finding_voxels(phantom: PhantomCase | PlantedCase, index: int) -> _Voxels:
    spacing = np.array(phantom.finding_bits.GetSpacing()[::-1])
    return _Voxels(np.argwhere(_finding_mask(phantom, index)), spacing)


def _planted_record(phantom: PhantomCase | PlantedCase, index: int) -> PlantedRecord:
    finding = phantom.findings[index]
    region = phantom.masks.array(finding.region) != 0
    chance_hit_rate = float((_finding_mask(phantom, index) & region).sum() / max(1, region.sum()))
    return PlantedRecord(finding.label, finding.region, finding.side, finding.level, finding.size_mm, chance_hit_rate)


def _detection_record(
    finding: Finding, finding_map: Tensor | None, crop: Crop, voxels: _Voxels | None
) -> DetectionRecord:
    assert finding.probability is not None  # detection always sets it
    distance = None
    if finding_map is not None and voxels is not None and len(voxels.indices):
        values = crop.to_volume(finding_map)
        maximum = np.unravel_index(values.argmax(), values.shape)
        distance = voxels.distance(np.array(maximum) + [span.start for span in crop.box])
    return DetectionRecord(finding.label, finding.probability, finding.side, finding.level, finding.size_mm, distance)
