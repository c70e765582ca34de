"""Build a report from generated text, detected findings and measurements."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import SimpleITK as sitk

from reg2rg.labeler import ALL_LABELS
from reg2rg.measurements import NOT_ASSESSED, Evidence, region_sentences, region_statistics, technique
from reg2rg.regions import Corrections, get_region, in_reading_order
from reg2rg.report.disagreements import disagreements
from reg2rg.report.finding import Finding
from reg2rg.report.linking import TextToken, link_sentences
from reg2rg.report.merging import merge_findings
from reg2rg.report.prior import PriorComparison
from reg2rg.report.provenance import OutOfDistribution, Provenance
from reg2rg.report.report import Report
from reg2rg.report.section import Section
from reg2rg.report.warnings import OUT_OF_DISTRIBUTION_WARNING, supported_warning
from reg2rg.report.withholding import DraftRule, withhold_sentences
from reg2rg.segmentation import RegionMasks


class GeneratedText(Protocol):
    """What the language model wrote about a region."""

    @property
    def region(self) -> str: ...
    @property
    def recognized(self) -> str | None: ...
    @property
    def text(self) -> str: ...
    @property
    def tokens(self) -> Sequence[TextToken]: ...
    @property
    def complete(self) -> bool: ...


class ReportBuilder:
    """Builds the sections of one volume's report, and the report itself.

    Attributes:
        evidence: what was measured in the volume; None if nothing was.
        model_text_hidden: whether the volume is out of distribution, so that the draft lacks the model's text.
        supported: labels that the draft may state; None for all.
        warning: what a reader must know about what the draft states, as one sentence; empty if nothing.
    """

    def __init__(
        self,
        volume: sitk.Image,
        masks: RegionMasks,
        *,
        detected: Mapping[str, Sequence[Finding]] | None = None,
        evidence: Evidence | None = None,
        out_of_distribution: OutOfDistribution | None = None,
        supported: Collection[str] | None = None,
        corrections: Corrections | None = None,
    ) -> None:
        """Store what is known about the volume apart from the text.

        Args:
            volume: the CT in HU.
            masks: the region masks.
            detected: region -> findings that the finding head detected, most probable first. None if the model has no
                finding head.
            evidence: what was measured in the volume.
            out_of_distribution: how far the volume is from the training data. None if unknown. If it is out of
                distribution, the draft consists of the measurements.
            supported: labels that the draft may state, because the model's precision was shown for them on volumes of
                this kind. None for all.
            corrections: a reviewer's corrections.
        """
        self._masks = masks
        self._statistics = functools.cache(lambda region: region_statistics(volume, masks, region))
        self._detected = detected or {}
        self.evidence = evidence
        self._out_of_distribution = out_of_distribution
        self.model_text_hidden = out_of_distribution is not None and out_of_distribution.detected
        self.supported = None if self.model_text_hidden or supported is None else frozenset(supported)
        self.warning = OUT_OF_DISTRIBUTION_WARNING if self.model_text_hidden else ""
        if self.supported is not None:
            self.warning = supported_warning([label for label in ALL_LABELS if label in self.supported])
        self._corrections = corrections or {}
        self._rule = DraftRule(self.supported, self._detected, self._corrections)

    @property
    def stated(self) -> dict[str, tuple[Finding, ...]] | None:
        """Region -> detected findings that the draft may state. None if the model's text is hidden."""
        if self.model_text_hidden:
            return None
        stated = {}
        for region, findings in self._detected.items():
            corrections = self._corrections.get(region, {})
            stated[region] = tuple(
                finding
                for finding in findings
                if finding.detected
                and corrections.get(finding.label, True)
                and self._rule.may_state(region, finding.label)
            )
        return stated

    def report(
        self,
        texts: Sequence[GeneratedText],
        provenance: Provenance,
        skipped_regions: Mapping[str, str],
        prior: PriorComparison | None = None,
    ) -> Report:
        """Build the report.

        Args:
            texts: one generated text per region, in any order.
            provenance: how the report was made.
            skipped_regions: region -> why it has no text.
            prior: what changed since a prior CT; None if there is none.
        """
        by_region = {text.region: text for text in texts}
        sections = tuple(self.section(by_region[region.name]) for region in in_reading_order(by_region))
        skipped = {region.name: skipped_regions[region.name] for region in in_reading_order(skipped_regions)}
        words = technique(self.evidence.conditions) if self.evidence is not None else {}
        supported = None if self.supported is None else tuple(label for label in ALL_LABELS if label in self.supported)
        return Report(
            sections,
            skipped,
            provenance,
            self._out_of_distribution,
            words,
            self.evidence,
            supported=supported,
            prior=prior,
        )

    def section(self, text: GeneratedText) -> Section:
        """Return the section of one region."""
        region = get_region(text.region).name
        statistics = self._statistics(region)
        detected, corrections = self._detected.get(text.region, ()), self._corrections.get(text.region, {})
        shown, tokens, withheld = text.text, text.tokens, ""
        withheld_findings: tuple[Finding, ...] = ()
        if self.supported is not None:
            divided = withhold_sentences(region, text.text, text.tokens, self._rule)
            shown, tokens, withheld = divided.text, divided.tokens, divided.withheld
            kept = [finding for finding in detected if self._rule.may_state(region, finding.label)]
            left_out = [replace(finding, segment=None) for finding in detected if finding not in kept]
            withheld_findings = merge_findings(region, (), left_out, {}, calibrated=True)
            detected = kept
        findings, sentences = link_sentences(
            text.region, shown, detected, corrections, calibrated=not self.model_text_hidden, tokens=tokens
        )
        section = Section(
            region=region,
            recognized=text.recognized,
            text=shown,
            sentences=sentences,
            complete=text.complete,
            approximate=region in self._masks.approximate,
            volume_ml=statistics.volume_ml,
            mean_hu=statistics.mean_hu,
            findings=findings,
            disagreements=(),
            measured=self._measured(region, bool(shown)),
            model_text_hidden=self.model_text_hidden,
            withheld=withheld,
            withheld_findings=withheld_findings,
        )
        return replace(section, disagreements=disagreements(section, self.evidence))

    def _measured(self, region: str, has_text: bool) -> tuple[str, ...]:
        """Return the measured sentences of a region; none where the model's text is shown and nothing was measured."""
        sentences = region_sentences(self.evidence, region) if self.evidence is not None else (NOT_ASSESSED,)
        return sentences if self.model_text_hidden or not has_text or sentences != (NOT_ASSESSED,) else ()
