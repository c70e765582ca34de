"""A first impression: the sentences of a report that say more than that something is normal.

Only a proposal for the radiologist who writes the impression. A sentence is left out if all findings read in it are
denied, or if none is read and it is worded as normal or as a plain denial; what is worded otherwise stays, so that a
finding is rather shown twice than dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from reg2rg.labeler import Status, extract_mentions, split_sentences
from reg2rg.regions import get_region

_NORMAL = re.compile(
    r"\b(normal|unremarkable|clear|intact|patent|open|preserved|homogeneous|smooth|regular|symmetric(?:al)?"
    r"|midline|no (?:evidence|sign)|not (?:enlarged|thickened|dilated|widened|narrowed|displaced))\b",
    re.IGNORECASE,
)
_DENIAL = re.compile(r"^\s*(?:there (?:is|are|was|were) )?(?:no|not any|without|neither)\b", re.IGNORECASE)
_DENIED_LATER = re.compile(
    r"\b(?:is|are|was|were) (?:not|no longer) (?:seen|observed|detected|present|identified)\b", re.IGNORECASE
)
_BUT = re.compile(r"\b(?:but|however|except|although|apart from)\b|(?<=\w\W)otherwise\b", re.IGNORECASE)


def draft_impression(sections: Iterable[tuple[str, str]]) -> str:
    """Lines "Region: sentences" of the sections, (region, text) pairs, that hold findings; empty if none does."""
    lines = []
    for region, text in sections:
        told = [text[start:end] for start, end in split_sentences(text) if _tells(text[start:end], region)]
        if told:
            lines.append(f"{get_region(region).display_name}: {' '.join(told)}")
    return "\n".join(lines)


def _tells(sentence: str, region: str) -> bool:
    statuses = {finding.status for finding in extract_mentions(sentence, region)}
    return statuses != {Status.ABSENT} if statuses else holds_finding(sentence)


def holds_finding(sentence: str) -> bool:
    """Whether a sentence says, by its wording alone, more than that something is normal or absent."""
    if _BUT.search(sentence):
        return True
    return not any(pattern.search(sentence) for pattern in (_NORMAL, _DENIAL, _DENIED_LATER))
