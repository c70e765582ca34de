"""A report from what was written, seen and measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import SimpleITK as sitk

from reg2rg.labeler import extract_mentions, split_sentences
from reg2rg.regions import get_region, in_reading_order
from reg2rg.report.findings import Seen, section_findings
from reg2rg.report.schema import Provenance, Report, Section, SectionFinding, Sentence
from reg2rg.report.wording import disagreements
from reg2rg.segmentation.masks import RegionMasks
from reg2rg.volumes.checks import LOWEST_HU

NOTHING_SEEN = Seen()


class Written(Protocol):
    """What generation gives for each region."""

    region: str
    recognised: str | None
    text: str
    tokens: Sequence[Any]
    complete: bool


def build_report(
    written: Sequence[Written],
    volume: sitk.Image,
    masks: RegionMasks,
    provenance: Provenance,
    skipped: Mapping[str, str],
    seen: Seen = NOTHING_SEEN,
) -> Report:
    """The report of what was written, seen and measured; ``skipped``: region -> why it has no text."""
    by_region = {section.region: section for section in written}
    ordered = [by_region[region.name] for region in in_reading_order(by_region)]
    sections = [build_section(section, volume, masks, seen) for section in ordered]
    reasons = {region.name: skipped[region.name] for region in in_reading_order(skipped)}
    return Report(tuple(sections), reasons, provenance, seen.familiarity)


def build_section(
    written: Written,
    volume: sitk.Image,
    masks: RegionMasks,
    seen: Seen = NOTHING_SEEN,
) -> Section:
    """The section of one region."""
    region, text = get_region(written.region).name, written.text
    volume_ml, mean_hu = _measure(volume, masks, region)
    findings, sentences = link_findings(text, region, seen, written.tokens)
    return Section(
        region=region,
        recognised=written.recognised,
        grounded=written.recognised == region,
        text=text,
        sentences=sentences,
        findings=findings,
        complete=written.complete,
        approximate=region in masks.approximate,
        volume_ml=volume_ml,
        mean_hu=mean_hu,
        disagreements=disagreements(region, text, findings),
    )


def link_findings(
    text: str, region: str, seen: Seen = NOTHING_SEEN, tokens: Sequence[Any] = ()
) -> tuple[tuple[SectionFinding, ...], tuple[Sentence, ...]]:
    """Findings of a region's text and of what was seen, and the text's sentences with those they speak of."""
    told = extract_mentions(text, region)
    findings = section_findings(region, told, seen)
    numbers = {finding.label: index for index, finding in enumerate(findings)}
    sentences = []
    for start, end in split_sentences(text):
        inside = {numbers[finding.label] for finding in told if finding.start < end and finding.end > start}
        mean, minimum = _probabilities(start, end, tokens)
        sentences.append(Sentence(start, end, mean, minimum, tuple(sorted(inside))))
    return findings, tuple(sentences)


def _probabilities(start: int, end: int, tokens: Sequence[Any]) -> tuple[float | None, float | None]:
    """Mean and minimum of the tokens between two characters."""
    inside = [token.probability for token in tokens if token.start < end and token.end > start]
    if not inside:
        return None, None
    return round(sum(inside) / len(inside), 4), round(min(inside), 4)


def _measure(volume: sitk.Image, masks: RegionMasks, region: str) -> tuple[float, float]:
    """Millilitres and mean HU of a region."""
    box = masks.boxes[region]
    mask = masks.array(region, box)
    hu = sitk.GetArrayViewFromImage(volume)[box][mask]
    measured = hu[hu > LOWEST_HU]
    millilitres = mask.sum() * float(np.prod(volume.GetSpacing())) / 1000
    return round(millilitres, 1), round(float(measured.mean()), 1) if measured.size else float(LOWEST_HU)
