"""Split report text into sections and sentences. The whole engine uses this one sentence splitter."""

from __future__ import annotations

import re
from collections.abc import Iterator

from reg2rg.regions import REGION_NAMES

MAX_SENTENCE_LENGTH = 2000
"""Longer sentences are cut at whitespace, so that text without punctuation does not slow the labeler down."""

_SECTION = re.compile(r"The region \d+ is ([^:.\n]{1,60}):")

# What may end a sentence, and brackets, which are skipped as a whole. The bounds on brackets keep the search linear.
_EVENT = re.compile(
    r"(?P<bracket>\([^()\r\n]{0,300}\)|\[[^\[\]\r\n]{0,300}\])"
    r"|(?P<mark>[.!?\u2026]+)(?P<closing>[\"')\]\u2019\u201d\u00bb]*)"
    r"|(?P<break>[\r\n\v\f\x85\u2028\u2029]\s*)"
    r"|(?P<bullet>[\u2022\u2023\u25aa\u25cf\u25e6])"
)
_SPACE = re.compile(r"\s*")
_OPENING = re.compile(r"[\s\"'(\[\u2018\u201c\u00ab]*")
_QUOTE = re.compile(r"[\"'\u2019\u201d\u00bb]")
_LAST_WORD = re.compile(r"(?<![A-Za-z\d])[A-Za-z][A-Za-z.]*\Z")
_LAST_LETTERS = re.compile(r"(?:[a-z]{2}|[)\]])\Z")
_CAPITALIZED = re.compile(r"[A-Z][A-Za-z\s]")
_DIGIT_CAPITALIZED = re.compile(r"[A-Z][a-z]")
_DOTTED = re.compile(r"(?:[A-Za-z]\.)+[A-Za-z]")
_LIST_LABEL = re.compile(r"\d{1,2}|[A-Za-z]|[ivx]{2,4}|[IVX]{2,4}")
_FIRST_ITEM = re.compile(r":\s+1\Z")
_CONTINUED_LINE = re.compile(r"[a-z](?![.)])|\d+(?:\.\d|[^\d.)])")

_CONTEXT = 16
"""Number of characters before a period that are searched for an abbreviation; every abbreviation is shorter."""

_WRAPPED_LINE = 60
"""Minimum length of a hard-wrapped line, in characters."""

_TITLES = frozenset({"Dr", "dr", "Prof", "prof", "Mr", "Mrs", "Ms", "St"})
_NEVER_FINAL = frozenset({"cf", "e.g", "fig", "figs", "i.e", "viz", "vs"})
_RARELY_FINAL = frozenset(
    {"al", "approx", "ca", "diam", "esp", "etc", "incl", "max", "min", "nr", "resp", "seg", "th", "vol"}
)


def split_sections(text: str, region: str | None) -> Iterator[tuple[int, int, str | None]]:
    """Yield the sections of a report, which begin with the published prefix "The region i is NAME:".

    Args:
        text: report text.
        region: region of the text before the first prefix, or None.

    Yields:
        Start and end of the section in ``text``, without its prefix, and its region: None if the prefix does not name
        one of the ten.
    """
    start = 0
    for match in _SECTION.finditer(text):
        yield start, match.start(), region
        name = match[1].strip().lower()
        start, region = match.end(), name if name in REGION_NAMES else None
    yield start, len(text), region


def split_sentences(text: str, start: int = 0, end: int | None = None) -> list[tuple[int, int]]:
    """Split text into sentences.

    Periods in numbers, abbreviations, list numbers, and brackets do not end a sentence. A line break does, unless the
    line looks hard-wrapped: it is long, and the next line continues in lower case or with a number. The run time is
    linear in the length of the text.

    Args:
        text: report text.
        start: index of the first character to read.
        end: index after the last character to read; None for the end of the text.

    Returns:
        Start and end of each sentence in ``text``, in order. Sentences do not overlap, neither begin nor end with
        whitespace, together cover all other characters, and are at most MAX_SENTENCE_LENGTH characters long.

    Examples:
        >>> text = "A nodule of approx. 1.5 cm is seen. Effusion? No."
        >>> [text[start:end] for start, end in split_sentences(text)]
        ['A nodule of approx. 1.5 cm is seen.', 'Effusion?', 'No.']
    """
    part = text[start:end]
    spans: list[tuple[int, int]] = []
    first, line_start = _skip(_SPACE, part, 0), 0
    for event in _EVENT.finditer(part):
        boundary = _boundary(part, event, first, line_start)
        if event["break"]:
            line_start = event.end()
        if boundary is not None:
            spans += _trim(part, first, boundary)
            first = _skip(_SPACE, part, boundary)
    spans += _trim(part, first, len(part))
    return [(start + first, start + last) for first, last in spans]


def _boundary(text: str, event: re.Match[str], first: int, line_start: int) -> int | None:
    """Return where the event ends the sentence that begins at ``first``, or None if the sentence continues."""
    if event["bullet"]:
        return event.start()
    if event["break"]:
        ends = not _is_wrapped(text, event, line_start)
    elif event["bracket"]:
        ends = _bracket_ends_sentence(text, event, first)
    else:
        ends = _mark_ends_sentence(text, event, first)
    return event.end() if ends else None


def _is_wrapped(text: str, event: re.Match[str], line_start: int) -> bool:
    """Return whether a line break merely wraps a long line."""
    return (
        event["break"].strip(" \t") in ("\n", "\r\n")
        and event.start() - line_start >= _WRAPPED_LINE
        and _CONTINUED_LINE.match(text, event.end()) is not None
    )


def _bracket_ends_sentence(text: str, event: re.Match[str], first: int) -> bool:
    """Return whether a sentence ends within the bracket, as in "(See the first image.) No effusion."."""
    last, end = text[event.end() - 2], event.end()
    if last != "." and not (last in "!?" and event.start() == first):
        return False
    return text[end : end + 1].isspace() and _next_character(text, end).isupper()


def _mark_ends_sentence(text: str, event: re.Match[str], first: int) -> bool:
    """Return whether a punctuation mark ends the sentence that begins at ``first``."""
    mark, end, following = event["mark"], event.end(), _next_character(text, event.end())
    before = text[max(first, event.start() - _CONTEXT) : event.start()]
    if not following:
        return True
    if not text[end].isspace() and not _lacks_space(before, text[end : end + 2]):
        return False
    if following.islower() and (_QUOTE.search(event["closing"]) or mark.endswith("...") or "\u2026" in mark):
        return False
    if mark != ".":
        return True
    is_whole = event.start() - first <= _CONTEXT
    if (is_whole and _LIST_LABEL.fullmatch(before)) or _FIRST_ITEM.search(before):
        return False
    word = _LAST_WORD.search(before)
    if word is None:
        return True
    is_answer = is_whole and word[0] == before and text[max(0, first - _CONTEXT) : first].rstrip().endswith("?")
    if word[0].lower() == "no":
        return is_answer or not following.isdigit()
    return _word_ends_sentence(word[0], following, at_start=is_whole and word[0] == before)


def _lacks_space(before: str, after: str) -> bool:
    """Return whether the space between two sentences is missing, as in "No effusion.The heart is normal."."""
    if _LAST_LETTERS.search(before):
        return _CAPITALIZED.match(after) is not None
    return before[-1:].isdigit() and _DIGIT_CAPITALIZED.match(after) is not None


def _word_ends_sentence(word: str, following: str, *, at_start: bool) -> bool:
    """Return whether a period after ``word`` ends the sentence, rather than only marking an abbreviation."""
    if word in _TITLES or word.lower() in _NEVER_FINAL:
        return False
    if word == "Ca" and not at_start:  # carcinoma, not circa
        return True
    if word.lower() in _RARELY_FINAL or _DOTTED.fullmatch(word):
        return following.isupper()
    return True


def _next_character(text: str, position: int) -> str:
    """Return the next character that is not whitespace, an opening quote or a bracket; empty at the end."""
    position = _skip(_OPENING, text, position)
    return text[position : position + 1]


def _skip(pattern: re.Pattern[str], text: str, position: int) -> int:
    """Return the index after ``pattern``, which may match nothing."""
    match = pattern.match(text, position)
    return match.end() if match else position


def _trim(text: str, first: int, last: int) -> Iterator[tuple[int, int]]:
    """Yield the span without whitespace at its ends, in pieces of at most MAX_SENTENCE_LENGTH characters."""
    last = first + len(text[first:last].rstrip())
    while last - first > MAX_SENTENCE_LENGTH:
        limit = first + MAX_SENTENCE_LENGTH
        cut = next((index for index in range(limit, first, -1) if text[index].isspace()), limit)
        yield first, first + len(text[first:cut].rstrip())
        first = _skip(_SPACE, text, cut)
    if first < last:
        yield first, last
