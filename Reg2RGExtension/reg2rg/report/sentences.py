"""Where the sentences of a text are."""

from __future__ import annotations

import re

_END = re.compile(r"[.!?]+[\"')\]]*(?=\s+[\"'(\[]?[A-Z0-9])")
_ABBREVIATION = re.compile(r"\b(?:Dr|Prof|St|approx|ca|cf|e\.g|i\.e|vs|fig|resp|max|min|Th)\.$", re.IGNORECASE)
_NUMBER_FOLLOWS = re.compile(r"\bNo\.\s+\d", re.IGNORECASE)  # "No. 7", but "Effusion? No. Nodule? No."
_LIST_NUMBER = re.compile(r"\s*\d{1,2}\.")


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Spans of the sentences of a text, white space between them left out."""
    spans, start = [], 0
    for match in _END.finditer(text):
        if match[0] != "." or not _goes_on(text, start, match.end()):
            spans.append((start, match.end()))
            start = match.end()
    spans.append((start, len(text)))
    stripped = []
    for first, last in spans:
        piece = text[first:last]
        if piece.strip():
            begin = first + len(piece) - len(piece.lstrip())
            stripped.append((begin, begin + len(piece.strip())))
    return stripped


def _goes_on(text: str, start: int, end: int) -> bool:
    """Whether the full stop before ``end`` does not end the sentence that began at ``start``."""
    piece = text[start:end]
    return bool(
        _ABBREVIATION.search(piece)
        or _LIST_NUMBER.fullmatch(piece)
        or _NUMBER_FOLLOWS.match(text, max(start, end - len("No.")))
    )
