"""The report: its sections, findings, warnings, masks and review."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.measurements import Evidence
from reg2rg.regions import get_region
from reg2rg.report.content import report_content
from reg2rg.report.finding import Finding
from reg2rg.report.html import content_html
from reg2rg.report.prior import PriorComparison
from reg2rg.report.provenance import OutOfDistribution, Provenance
from reg2rg.report.review import Review
from reg2rg.report.section import Section
from reg2rg.report.text import content_text
from reg2rg.report.warnings import report_label, report_warnings
from reg2rg.runtime.dataclass_io import NOT_STORED, to_plain
from reg2rg.segmentation import RegionMasks
from reg2rg.segmentation.label_map import LabelMapSegmenter, read_segment

SCHEMA_VERSION = 9

_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a character, which is escaped because it cannot be encoded."""

REPORT_FILE = "report.json"
TEXT_FILE = "report.txt"
REGIONS_FILE = "regions.seg.nrrd"
FINDINGS_FILE = "findings.seg.nrrd"
STRUCTURES_FILE = "structures.seg.nrrd"
PRIOR_TRANSFORM_FILE = "prior_transform.tfm"
PREVIEW_FILE = "preview.png"
REPORT_FILES = (
    REPORT_FILE,
    TEXT_FILE,
    REGIONS_FILE,
    FINDINGS_FILE,
    STRUCTURES_FILE,
    PRIOR_TRANSFORM_FILE,
    PREVIEW_FILE,
)
"""Names of the files in a report folder. The findings file exists only if the model located any, and the transform only
if the report was compared with a prior CT."""


@dataclass(frozen=True)
class Report:
    """The report for one chest CT: a draft, or signed after its review.

    Sections and evidence are what the engine wrote. What a reviewer decided is in the review; ``report_content`` puts
    both together.

    Attributes:
        sections: the sections in reading order.
        skipped_regions: region -> why it has no section.
        provenance: how the report was made.
        out_of_distribution: how far the volume is from the training data. None if the model cannot tell.
        supported: labels of the findings that the draft may state, because the model's precision was shown for them on
            volumes of this kind. None for all.
        technique: how the volume was acquired, as topic -> words.
        evidence: what was measured in the volume. None in reports of older schema versions.
        prior: what changed since a prior CT. None if there is none to compare with.
        review: what a reviewer decided. None if nobody has opened the report for review.
        folder: the report folder, if the report was written to or read from one. Not stored.

    Examples:
        >>> import reg2rg
        >>> ct, regions = reg2rg.sample_case()
        >>> report = reg2rg.generate_report(ct, regions_file=regions, regions=("lung",), progress=False)
        >>> report.section("lung").complete
        True
        >>> "Lung nodule" in [finding.label for finding in report.findings["lung"]]
        True
        >>> nodule = report.finding_mask("lung", "Lung nodule")
        >>> nodule.shape == report.masks.array("lung").shape
        True
        >>> print(report.to_text().splitlines()[2])
        CHEST CT REPORT
    """

    derived: ClassVar[tuple[str, ...]] = ("disclaimer",)

    sections: tuple[Section, ...]
    skipped_regions: dict[str, str]
    provenance: Provenance
    out_of_distribution: OutOfDistribution | None
    technique: dict[str, str] = field(default_factory=dict)
    evidence: Evidence | None = None
    review: Review | None = None
    supported: tuple[str, ...] | None = None
    prior: PriorComparison | None = None
    schema_version: int = SCHEMA_VERSION
    folder: Path | None = field(default=None, compare=False, repr=False, metadata=NOT_STORED)

    def section(self, region: str) -> Section:
        """Return the section of a region.

        Args:
            region: name of the region, in any common spelling.

        Raises:
            InputError: the report has no section for this region.
        """
        wanted = get_region(region).name
        for section in self.sections:
            if section.region == wanted:
                return section
        names = ", ".join(section.region for section in self.sections)
        raise InputError(f"The report has no section {region!r}; expected one of: {names or 'none'}.")

    @property
    def findings(self) -> dict[str, tuple[Finding, ...]]:
        """Region -> findings listed in its section, in reading order."""
        return {section.region: section.listed_findings for section in self.sections}

    @property
    def disclaimer(self) -> str:
        """The label displayed wherever the report is shown. It follows from the review and cannot be edited away."""
        return report_label(self.review)

    @property
    def signed(self) -> bool:
        """Whether the report is signed, so that it cannot be changed."""
        return self.review is not None and self.review.signature is not None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader must know before reading any section, one sentence each."""
        return report_warnings(self.sections, self.out_of_distribution, self.supported, self.prior)

    @functools.cached_property
    def masks(self) -> RegionMasks:
        """The region masks, read from the report folder.

        Raises:
            InputError: the report has no folder, or the folder does not contain the masks.
        """
        reference = self.provenance.geometry.to_image()
        return LabelMapSegmenter(self._file(REGIONS_FILE)).segment(reference)

    def finding_mask(self, region: str, label: str) -> np.ndarray:
        """Return the voxels of a located finding, read from the report folder.

        Args:
            region: name of the region.
            label: label of the finding.

        Returns:
            Boolean array (z, y, x) on the volume's grid.

        Raises:
            InputError: the finding was not outlined, or the report has no folder.
        """
        outlined = {finding.label: finding.segment for finding in self.section(region).findings if finding.segment}
        if label not in outlined:
            names = ", ".join(outlined) or "none"
            raise InputError(f"{label!r} has no outline in the {region}; expected one of: {names}.")
        reference = self.provenance.geometry.to_image()
        image = read_segment(self._file(FINDINGS_FILE), outlined[label], reference)
        return sitk.GetArrayFromImage(image).astype(bool)

    @functools.cached_property
    def prior_transform(self) -> sitk.Transform:
        """The transform from points of this CT to those of the prior one (LPS, mm), read from the report folder.

        Raises:
            InputError: the report has no folder, or the folder does not contain a valid transform, because the report
                was not compared with a prior CT.
        """
        path = self._file(PRIOR_TRANSFORM_FILE)
        if not path.is_file():
            raise InputError(f"{path} does not exist; the report was not compared with a prior CT.")
        try:
            transform = sitk.ReadTransform(str(path))
        except RuntimeError as error:
            raise InputError(f"{path} is not a transform that ITK can read.") from error
        if transform.GetDimension() != 3:
            raise InputError(f"{path} contains a transform of {transform.GetDimension()} dimensions; expected 3.")
        return transform

    def to_text(self) -> str:
        """Return the report as plain text: sections in reading order, their findings and all warnings."""
        return content_text(report_content(self))

    def to_json(self) -> str:
        """Return the report as the text of ``report.json``."""
        text = json.dumps(to_plain(self), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)

    def _repr_html_(self) -> str:
        """Return the sections next to the preview as HTML, for notebooks."""
        preview = self.folder / PREVIEW_FILE if self.folder is not None else None
        picture = preview.read_bytes() if preview is not None and preview.is_file() else None
        return content_html(report_content(self), picture)

    def _file(self, name: str) -> Path:
        if self.folder is None:
            raise InputError(f"The report has no folder to read {name} from; load it with reg2rg.load_report.")
        return self.folder / name
