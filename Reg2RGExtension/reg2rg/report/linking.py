"""Link the sentences of a section to the findings that they mention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reg2rg.labeler import extract_mentions, split_sentences
from reg2rg.report.finding import Finding
from reg2rg.report.merging import merge_findings
from reg2rg.report.section import Sentence


@dataclass(frozen=True)
class TextToken:
    """A generated token, as characters ``start`` to ``end`` of a section's text, and its probability."""

    start: int
    end: int
    probability: float


def link_sentences(
    region: str,
    text: str,
    detected: Sequence[Finding],
    corrections: Mapping[str, bool],
    *,
    calibrated: bool,
    tokens: Sequence[TextToken] = (),
) -> tuple[tuple[Finding, ...], tuple[Sentence, ...]]:
    """Return the findings of a section, and its sentences with the findings that they mention.

    Args:
        region: name of the region.
        text: the section's text.
        detected: what the finding head says about the region, most probable first.
        corrections: label -> whether a reviewer marked it as present.
        calibrated: whether the head's probabilities are reliable for this volume.
        tokens: the tokens that the text was generated from; empty if a person wrote it.
    """
    mentions = extract_mentions(text, region)
    findings = merge_findings(region, mentions, detected, corrections, calibrated=calibrated)
    indices = {finding.label: index for index, finding in enumerate(findings)}
    sentences = []
    for start, end in split_sentences(text):
        mentioned = {indices[m.label] for m in mentions if m.label in indices and m.start < end and m.end > start}
        mean, minimum = _probabilities(start, end, tokens)
        sentences.append(Sentence(start, end, mean, minimum, tuple(sorted(mentioned))))
    return findings, tuple(sentences)


def _probabilities(start: int, end: int, tokens: Sequence[TextToken]) -> tuple[float | None, float | None]:
    """Return the mean and minimum probability of the tokens between two characters."""
    inside = [token.probability for token in tokens if token.start < end and token.end > start]
    if not inside:
        return None, None
    return round(sum(inside) / len(inside), 4), round(min(inside), 4)
