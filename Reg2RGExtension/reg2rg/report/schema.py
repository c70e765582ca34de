"""What a report holds."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, ClassVar

import SimpleITK as sitk

from reg2rg import DRAFT_LABEL
from reg2rg.errors import InputError
from reg2rg.labeler import Status
from reg2rg.regions import in_reading_order
from reg2rg.report.located_finding import SEEN_FROM
from reg2rg.report.serialization import SCHEMA_VERSION, read, to_plain, upgraded
from reg2rg.report.wording import disagreements


class State(str, Enum):
    """How far the review of a section is. Nothing is accepted by default."""

    DRAFT = "draft"
    EDITED = "edited"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Location:
    """Where a finding is seen.

    Attributes:
        point_ras: mm (right, anterior, superior); a voxel of the finding, near its centre.
        extent_mm: along the same axes.
        lobe: "right upper lobe"; None outside the lungs and where it is not known.
        focal: it is a spot. If not, it is seen weakly or in much of the region, and the region is what to show.
    """

    point_ras: tuple[float, float, float]
    extent_mm: tuple[float, float, float]
    lobe: str | None
    focal: bool


@dataclass(frozen=True)
class SectionFinding:
    """A finding that the section's text speaks of, that the finding head gives some probability, or both.

    Attributes:
        label: one of reg2rg.labeler.ALL_LABELS.
        text: what the text says of it: the surest of its sentences; None if nothing.
        probability: that it is there, by the finding head; None without one.
        calibrated: whether the probability is to be taken for one: not where the volume is unlike the training data.
        side: "left", "right", "both" or None; level: "upper", "middle", "lower" or None.
        size_mm: None where it is not known.
        location: where the head sees it, None if it does not.
        segment: ID of its segment in findings.seg.nrrd, None if it has none.
        said: whether it is there by the word of the user, whom the text follows; None if they said nothing.
    """

    derived: ClassVar = ("source",)

    label: str
    text: Status | None
    probability: float | None
    calibrated: bool
    side: str | None
    level: str | None
    size_mm: float | None
    location: Location | None
    segment: str | None
    said: bool | None = None

    @property
    def seen(self) -> bool:
        """Whether the finding head sees it."""
        return self.probability is not None and self.probability >= SEEN_FROM

    @property
    def source(self) -> str:
        """Who claims it: "text", "head" or "both". What nobody claims is from where it is mentioned."""
        if self.seen and self.text in (Status.PRESENT, Status.UNCERTAIN):
            return "both"
        return "head" if self.seen or self.text is None else "text"


@dataclass(frozen=True)
class Sentence:
    """Characters ``start`` to ``end`` of a section's text.

    Attributes:
        mean_probability, minimum_probability: of the model's tokens in it; None if there are none. They say how sure
            the model was of its words, not of what they claim.
        findings: those it speaks of, as indices into its section's findings.
    """

    start: int
    end: int
    mean_probability: float | None
    minimum_probability: float | None
    findings: tuple[int, ...]


@dataclass(frozen=True)
class Section:
    """What was written about one region.

    Attributes:
        region: the region that was asked about.
        recognised: the name the model gave it, None if it gave none.
        grounded: whether that is the region asked about.
        complete: False if the text was cut off at the token limit.
        approximate: the region was estimated rather than segmented.
        volume_ml, mean_hu: measured in the region's mask, padding left out of the mean.
        findings: what text and finding head say, the most probable first.
        disagreements: where those two contradict each other, one sentence each.
    """

    region: str
    recognised: str | None
    grounded: bool
    text: str
    sentences: tuple[Sentence, ...]
    complete: bool
    approximate: bool
    volume_ml: float
    mean_hu: float
    state: State = State.DRAFT
    findings: tuple[SectionFinding, ...] = ()
    disagreements: tuple[str, ...] = ()


@dataclass(frozen=True)
class Geometry:
    """Grid of the volume: voxels, mm, LPS."""

    size: tuple[int, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]

    @classmethod
    def of(cls, image: sitk.Image) -> Geometry:
        return cls(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())


@dataclass(frozen=True)
class Familiarity:
    """How far the volume is from the model's training cases.

    Attributes:
        distance: about 1 for a training case.
        limit: what nearly all validation cases stay below.
    """

    derived: ClassVar = ("familiar",)

    distance: float
    limit: float

    @property
    def familiar(self) -> bool:
        return self.distance <= self.limit


@dataclass(frozen=True)
class Provenance:
    """How the report came about.

    Attributes:
        model, model_sha256: name and hash of the weights.
        decoding: how tokens were drawn.
        precision: of the language model's weights.
        versions: package -> version.
        segmenter, segmenter_reason: what made the regions, and why it did.
        created: UTC, ISO 8601.
        seconds: stage -> seconds.
        geometry: grid of the volume.
    """

    model: str
    model_sha256: str
    decoding: str
    device: str
    precision: str
    seed: int
    max_new_tokens: int
    segmenter: str
    segmenter_reason: str
    versions: dict[str, str]
    created: str
    seconds: dict[str, float]
    geometry: Geometry


@dataclass(frozen=True)
class Report:
    """A draft report.

    Attributes:
        sections: in reading order.
        without_section: region -> why it has none.
        familiarity: whether the volume is like the training data; None for a model that cannot tell.
        label: stands wherever the draft is shown.
    """

    sections: tuple[Section, ...]
    without_section: dict[str, str]
    provenance: Provenance
    familiarity: Familiarity | None = None
    label: str = DRAFT_LABEL
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> str:
        """The stored form."""
        return json.dumps(to_plain(self), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Read what ``to_json`` wrote, of this version or an older one; InputError says what is wrong otherwise."""
        values, stored_version = upgraded(text)
        report = read(cls, values, "report")
        if stored_version < 4:
            report = replace(report, sections=tuple(map(_with_disagreements, report.sections)))
        in_reading_order([*(section.region for section in report.sections), *report.without_section])  # refuses others
        for section in report.sections:
            named = {index for sentence in section.sentences for index in sentence.findings}
            if not named <= set(range(len(section.findings))):
                raise InputError(f"A sentence about the {section.region} speaks of a finding that is not there.")
        return report


def _with_disagreements(section: Section) -> Section:
    return replace(section, disagreements=disagreements(section.region, section.text, section.findings))


def plain(section: Section) -> dict[str, Any]:
    """A section as report.json has it, in plain types."""
    return to_plain(section)
