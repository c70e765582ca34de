"""Draft an impression: keep every sentence that does more than state a number, or that something is normal or absent.

The draft is a starting point for the radiologist who writes the impression. A sentence is left out if the labeler finds
mentions in it that are all negative, or if it finds none and the sentence is worded as normal. A measured sentence is
left out unless a cut-off gives its value a name, and a comparison with a prior CT unless something changed. Everything
else is kept: it is better to repeat a sentence than to lose a finding.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from reg2rg.labeler import Status, extract_mentions, split_sentences
from reg2rg.measurements.sentences import MEANING, NOT_ASSESSED
from reg2rg.regions import get_region
from reg2rg.report.prior import IntervalChange

_NORMAL = re.compile(
    r"\b(normal|unremarkable|clear|intact|patent|open|preserved|homogeneous|smooth|regular|symmetric(?:al)?"
    r"|midline|no (?:evidence|sign)|not (?:enlarged|thickened|dilated|widened|narrowed|displaced))\b",
    re.IGNORECASE,
)
_NEGATION = re.compile(r"^\s*(?:there (?:is|are|was|were) )?(?:no|not any|without|neither)\b", re.IGNORECASE)
_LATER_NEGATION = re.compile(
    r"\b(?:is|are|was|were) (?:not|no longer) (?:seen|observed|detected|present|identified)\b", re.IGNORECASE
)
_CONTRAST = re.compile(r"\b(?:but|however|except|although|apart from)\b|(?<=\w\W)otherwise\b", re.IGNORECASE)


def draft_impression(
    sections: Iterable[tuple[str, str]], measured: Collection[str] = (), changes: Collection[IntervalChange] = ()
) -> str:
    """Draft an impression from the sections of a report.

    Args:
        sections: pairs of region and text.
        measured: measured sentences that the text may contain.
        changes: what became of findings and measurements since a prior CT.

    Returns:
        One line "Region: sentences" per section with notable sentences; empty if there are none.
    """
    lines = []
    for region, text in sections:
        sentences = [text[start:end] for start, end in split_sentences(text)]
        notable = [
            sentence
            for sentence in sentences
            if (MEANING in sentence if sentence in measured else _is_notable(sentence, region))
        ]
        notable += [change.text for change in changes if change.region == region and change.notable]
        if notable:
            lines.append(f"{get_region(region).display_name}: {' '.join(notable)}")
    return "\n".join(lines)


def _is_notable(sentence: str, region: str) -> bool:
    if sentence == NOT_ASSESSED:
        return False
    statuses = {mention.status for mention in extract_mentions(sentence, region)}
    return statuses != {Status.ABSENT} if statuses else not is_worded_normal(sentence)


def is_worded_normal(sentence: str) -> bool:
    """Return whether a sentence, by its wording alone, says only that something is normal or absent."""
    if _CONTRAST.search(sentence):
        return False
    return any(pattern.search(sentence) for pattern in (_NORMAL, _NEGATION, _LATER_NEGATION))
