"""A section: the part of a report that describes one region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from reg2rg.report.finding import Finding


@dataclass(frozen=True)
class Sentence:
    """One sentence of a section, as characters ``start`` to ``end`` of its text.

    Attributes:
        mean_probability, min_probability: over the tokens of the sentence. None if the tokens are unknown. They show
            how certain the language model was of its wording, not whether the statement is true.
        findings: findings that the sentence mentions, as indices into the section's findings.
    """

    start: int
    end: int
    mean_probability: float | None
    min_probability: float | None
    findings: tuple[int, ...]


@dataclass(frozen=True)
class Disagreement:
    """A contradiction between the text, the finding head and the measurements.

    Attributes:
        message: what each of them says, as one sentence.
        sentence: the sentence of the text that is contradicted, as an index into the section's sentences. None if the
            text does not mention the finding.
    """

    message: str
    sentence: int | None


@dataclass(frozen=True)
class Section:
    """The part of a report that describes one region.

    Attributes:
        region: the region that the model was asked to describe.
        recognized: the region that the model named. None if it did not name one.
        text: the report text.
        sentences: the sentences of the text.
        complete: False if the text was cut off at the token limit.
        approximate: True if the region was estimated rather than segmented.
        volume_ml: volume of the region's mask in mL.
        mean_hu: mean HU in the region's mask, padding excluded.
        findings: findings from the text, the finding head and the reviewer, most probable first.
        disagreements: contradictions between the text, the finding head and the measurements.
        measured: what was measured in the region, one sentence each.
        model_text_hidden: True if the volume is out of distribution. The draft then consists of the measured sentences,
            and the model's text and findings are shown only on demand.
        withheld: sentences of the model that are not a part of the text, because the model may not state or deny what
            they mention in this kind of volume. They are shown only on demand.
        withheld_findings: findings of the finding head that are left out for the same reason.
    """

    derived: ClassVar[tuple[str, ...]] = ("grounded", "draft")

    region: str
    recognized: str | None
    text: str
    sentences: tuple[Sentence, ...]
    complete: bool
    approximate: bool
    volume_ml: float
    mean_hu: float
    findings: tuple[Finding, ...]
    disagreements: tuple[Disagreement, ...]
    measured: tuple[str, ...] = ()
    model_text_hidden: bool = False
    withheld: str = ""
    withheld_findings: tuple[Finding, ...] = ()

    @property
    def draft(self) -> str:
        """What the section says until a reviewer edits it: the model's text, or else what was measured."""
        return " ".join(self.measured) if self.measured_only else self.text

    @property
    def measured_only(self) -> bool:
        """Whether the draft consists of the measured sentences, without any text of the model."""
        return self.model_text_hidden or not self.text

    @property
    def has_folded_text(self) -> bool:
        """Whether the model wrote or detected something that is not a part of the draft."""
        return self.model_text_hidden or bool(self.withheld or self.withheld_findings)

    @property
    def grounded(self) -> bool:
        """Whether the model recognized the region it was asked to describe."""
        return self.recognized == self.region

    @property
    def listed_findings(self) -> tuple[Finding, ...]:
        """Findings listed below the draft; the plain-text report, the preview and the panel all list the same ones.

        If the model's text is hidden, these are only the ones that a reviewer has marked as present or absent.
        """
        if self.model_text_hidden:
            return tuple(finding for finding in self.findings if finding.correction is not None)
        return tuple(finding for finding in self.findings if finding.listed)


def sentence_at(section: Section, start: int, end: int) -> int | None:
    """Return the index of the sentence that contains characters ``start`` to ``end`` of the text; None if unknown."""
    overlapping = (i for i, sentence in enumerate(section.sentences) if sentence.start < end and sentence.end > start)
    return next(overlapping, None)
