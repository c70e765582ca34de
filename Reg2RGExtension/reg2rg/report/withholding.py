"""Withholding: which of the model's sentences and findings a draft leaves out.

A model states in a draft only findings whose precision was shown on volumes of the same kind. Everything else that it
writes stays out of the draft, denials included: a finding that a model cannot detect, it cannot exclude either.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from reg2rg.labeler import Mention, Status, extract_mentions, split_sentences
from reg2rg.report.linking import TextToken


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


def withhold_sentences(
    region: str,
    text: str,
    tokens: Sequence[TextToken],
    allowed: Collection[str],
    corrections: Mapping[str, bool],
) -> Withholding:
    """Divide a text into sentences that state only allowed findings, and all others.

    Args:
        region: name of the region.
        text: the section's text.
        tokens: the tokens that it was generated from.
        allowed: labels that the draft may state in this region.
        corrections: label -> whether a reviewer marked it as present. The text may state and deny these.
    """
    mentions = extract_mentions(text, region)

    def is_allowed(mention: Mention) -> bool:
        stated = mention.status is not Status.ABSENT
        return mention.label in corrections or (stated and mention.label in allowed)

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
