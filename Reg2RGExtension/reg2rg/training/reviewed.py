"""Training cases from signed reports and the CTs that they were made from.

What a review says about findings is known; everything else about the region is unknown, never absent. A section
teaches its text as well, unless the reviewer rejected it, or the draft left out a part of what the model wrote. Where
the model saw a finding is its own opinion, so there are no finding masks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from reg2rg.labeler import ALL_LABELS
from reg2rg.models.config import ModelConfig
from reg2rg.report import Report, load_report
from reg2rg.report.reviewed_findings import reviewed_findings, reviewed_text
from reg2rg.training.config import CTS, ReviewedCase, ReviewedData
from reg2rg.training.samples import TrainingCase, make_case
from reg2rg.volumes import read_volume


@dataclass(frozen=True)
class ReviewedSource:
    """Signed reports, named by their numbers."""

    cases: tuple[ReviewedCase, ...]
    reports: tuple[Report, ...]
    training: tuple[str, ...]
    validation: tuple[str, ...]
    notes: tuple[str, ...] = ()
    finding_masks: ClassVar[bool] = False
    may_fail: ClassVar[bool] = True

    @classmethod
    def from_config(cls, data: ReviewedData) -> ReviewedSource:
        """Read the reports, but no CT yet.

        Raises:
            InputError: a report cannot be read.
        """
        cases = (*data.cases, *data.validation)
        names = tuple(map(str, range(len(cases))))
        first = len(data.cases)
        return cls(cases, tuple(load_report(case.report) for case in cases), names[:first], names[first:])

    def kind(self, name: str) -> str:
        """Return which kind of training volumes the CT is nearest to, as its report says."""
        nearest = self.reports[int(name)].out_of_distribution
        return nearest.kind if nearest is not None and nearest.kind else CTS

    def statements(self, name: str) -> Mapping[str, Mapping[str, bool | None]]:
        """Return what the review says about findings."""
        return reviewed_findings(self.reports[int(name)])

    def fingerprint(self) -> str:
        """Hash the reports, which contain the hashes of their CTs."""
        digest = hashlib.sha256()
        for report in self.reports:
            digest.update(report.to_json().encode())
        return digest.hexdigest()

    def make(self, name: str, config: ModelConfig) -> TrainingCase:
        """Make a case; see :meth:`reg2rg.training.datasets.CaseSource.make`."""
        case, report = self.cases[int(name)], self.reports[int(name)]
        volume = read_volume(case.ct, case.series)
        texts = {section.region: reviewed_text(report, section.region) for section in report.sections}
        return make_case(volume, report.masks, texts, config, unknown=dict.fromkeys(texts, ALL_LABELS))
