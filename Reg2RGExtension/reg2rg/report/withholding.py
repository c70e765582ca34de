"""Withholding: which of the model's sentences and findings a draft leaves out.

A model states in a draft only findings whose precision was shown on volumes of the same kind, and only where it detects
them, because precision was shown for detections. Everything else that it writes stays out of the draft, denials
included: a finding that a model cannot detect, it cannot exclude either. A finding that a reviewer marked may be stated
and denied.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from reg2rg.labeler import Mention, Status, extract_mentions, split_sentences
from reg2rg.regions import Corrections
from reg2rg.report.finding import Finding
from reg2rg.report.linking import TextToken


@dataclass(frozen=True)
class DraftRule:
    """What a draft may say about findings.

    Attributes:
        supported: labels of the findings whose precision was shown on volumes of this kind; None for all.
        detected: region -> findings that the finding head reports.
        corrections: what a reviewer marked.
    """

    supported: Collection[str] | None
    detected: Mapping[str, Sequence[Finding]]
    corrections: Corrections

    def may_state(self, region: str, label: str) -> bool:
        """Return whether a draft may state a finding in a region."""
        if self.may_deny(region, label):
            return True
        assert self.supported is not None
        found = any(finding.label == label and finding.detected for finding in self.detected.get(region, ()))
        return found and label in self.supported

    def may_deny(self, region: str, label: str) -> bool:
        """Return whether a draft may deny a finding in a region."""
        return self.supported is None or label in self.corrections.get(region, {})


@dataclass(frozen=True)
class Withholding:
    """A section's text, divided into what the draft says and what it leaves out.

    Attributes:
        text: the sentences of the draft.
        tokens: the tokens that they were generated from.
        withheld: the other sentences.
    """

    text: str
    tokens: tuple[TextToken, ...]
    withheld: str


def withhold_sentences(region: str, text: str, tokens: Sequence[TextToken], rule: DraftRule) -> Withholding:
    """Divide a text into sentences that say only what a draft may say about findings, and all others.

    Args:
        region: name of the region.
        text: the section's text.
        tokens: the tokens that it was generated from.
        rule: what a draft may say.
    """
    mentions = extract_mentions(text, region)

    def is_allowed(mention: Mention) -> bool:
        allows = rule.may_deny if mention.status is Status.ABSENT else rule.may_state
        return allows(region, mention.label)

    shown: list[str] = []
    shown_tokens: list[TextToken] = []
    withheld: list[str] = []
    length = 0
    for start, end in split_sentences(text):
        mentioned = [mention for mention in mentions if mention.start < end and mention.end > start]
        if not mentioned or not all(map(is_allowed, mentioned)):
            withheld.append(text[start:end])
            continue
        offset = length + bool(shown) - start
        shown.append(text[start:end])
        shown_tokens += [
            TextToken(max(token.start, start) + offset, min(token.end, end) + offset, token.probability)
            for token in tokens
            if token.start < end and token.end > start
        ]
        length = offset + end
    return Withholding(" ".join(shown), tuple(shown_tokens), " ".join(withheld))
