"""The rules: which findings a text asserts, denies, or leaves open, sentence by sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from reg2rg.labeler.clauses import Clause, split_clauses
from reg2rg.labeler.lexicon import Lexicon, Term, load_lexicons
from reg2rg.labeler.location import Length, Place, least_excess, lengths_of_terms, places_of_terms, read_place
from reg2rg.labeler.mention import FURTHER_LABELS, Mention, Status
from reg2rg.labeler.sentences import split_sections, split_sentences
from reg2rg.regions import get_region


@dataclass(frozen=True)
class _TermMatch:
    """A term and its position in a clause."""

    term: Term
    start: int
    end: int


def extract_mentions(text: str, region: str | None = None) -> tuple[Mention, ...]:
    """Return what a text says about each finding, sentence by sentence.

    A sentence can have several mentions of one label if they differ in status, place, or size. LABELS are read as if
    FURTHER_LABELS did not exist, so that published numbers do not depend on them.

    Args:
        text: report text. The published prefix "The region i is NAME:" begins the section of that region.
        region: region that the text describes, which determines what ambiguous words mean; None for a whole report, in
            which each sentence must name the organ itself.

    Returns:
        The mentions in the order of the sentences.

    Raises:
        InputError: the region is unknown.

    Examples:
        >>> for mention in extract_mentions("A 5 mm nodule in the left upper lobe. No effusion.", "lung"):
        ...     print(mention.label, mention.status.value, mention.size_mm)
        Lung nodule present 5.0
        Pleural effusion absent None
    """
    if region is not None:
        region = get_region(region).name
    mentions: list[Mention] = []
    for section_start, section_end, section_region in split_sections(text, region):
        for start, end in split_sentences(text, section_start, section_end):
            found = _read_sentence(text[start:end], section_region)
            mentions += [replace(mention, start=start, end=end) for mention in found]
    return tuple(mentions)


@lru_cache(maxsize=1 << 16)
def _read_sentence(sentence: str, region: str | None) -> tuple[Mention, ...]:
    """Return the mentions of a sentence, with 0 as start and end. Cached, because reports repeat their sentences."""
    lexicons, text = load_lexicons(), sentence.lower()
    mentions: list[Mention] = []
    if lexicons.published.any_term.search(text):
        mentions += _read_with(lexicons.published, sentence, region)
    further = lexicons.further
    if further.any_term.search(text) and any(term.may_apply(text, region) for term in further.terms):
        found = _read_with(lexicons.complete, sentence, region)
        mentions += [mention for mention in found if mention.label in FURTHER_LABELS]
    return tuple(mentions)


def _read_with(lexicon: Lexicon, sentence: str, region: str | None) -> Iterator[Mention]:
    clauses = split_clauses(sentence, lexicon)
    return _distinct([mention for clause in clauses for mention in _read_clause(clause, region, lexicon)])


def _read_clause(clause: Clause, region: str | None, lexicon: Lexicon) -> Iterator[Mention]:
    matches = _match_terms(clause, region, lexicon)
    if not matches:
        return
    groups = _group_adjacent(clause.text, matches)
    spans = [(group[0].start, max(match.end for match in group)) for group in groups]
    places = places_of_terms(clause.text, spans, lexicon)
    context = read_place(clause.context, lexicon)
    if not any(places):
        places = [context] * len(groups)
    sized = [i for i, group in enumerate(groups) if any(lexicon.labels[match.term.label].sized for match in group)]
    lengths = lengths_of_terms(clause.text, [spans[i] for i in sized], lexicon) if sized else []
    lengths_of_group = dict(zip(sized, lengths, strict=True))
    ends = [*(start for start, _ in spans[1:]), len(clause.text)]
    for index, (group, place) in enumerate(zip(groups, places, strict=True)):
        own_lengths = (lengths_of_group[index] or context.lengths) if index in lengths_of_group else ()
        for match in group:
            status = _status(clause, match, ends[index], own_lengths, lexicon)
            if status is not None:
                yield _mention(match.term.label, status, place, own_lengths, lexicon)


def _match_terms(clause: Clause, region: str | None, lexicon: Lexicon) -> list[_TermMatch]:
    """Return the terms of a clause in text order. If terms of the same label overlap, the first row counts.

    A term of FURTHER_LABELS may find its context outside the parentheses: "a lesion in the liver (cyst?)".
    """
    matches: list[_TermMatch] = []
    for term in lexicon.terms:
        scope = f"{clause.context} {clause.text}" if term.label in FURTHER_LABELS else clause.text
        for found in term.pattern.finditer(clause.text):
            is_taken = any(
                match.term.label == term.label and match.start < found.end() and found.start() < match.end
                for match in matches
            )
            if not is_taken and term.applies(scope, region):
                matches.append(_TermMatch(term, found.start(), found.end()))
    return sorted(matches, key=lambda match: match.start)


def _group_adjacent(text: str, matches: Sequence[_TermMatch]) -> list[list[_TermMatch]]:
    """Group matches that overlap or touch; they share one place."""
    groups: list[list[_TermMatch]] = []
    for match in matches:
        end = max(previous.end for previous in groups[-1]) if groups else 0
        if groups and not text[end : match.start].strip(" -/"):
            groups[-1].append(match)
        else:
            groups.append([match])
    return groups


def _status(clause: Clause, match: _TermMatch, end: int, lengths: Sequence[Length], lexicon: Lexicon) -> Status | None:
    """Return what the clause says about a term; None if it makes no statement about the term.

    Args:
        clause: the clause.
        match: the term.
        end: where the next term begins.
        lengths: lengths of the term.
        lexicon: the cues to use.
    """
    term, limit = match.term, lexicon.labels[match.term.label].enlarged_mm or 0.0
    until_end, from_start = clause.text[: match.end], clause.text[match.start :]
    if term.status is Status.ABSENT:
        return Status.ABSENT
    if lexicon.cues["comparison"].search(until_end):
        return None
    if lexicon.negations["before"].search(until_end) or lexicon.negations["after"].search(from_start):
        excess = least_excess(clause.text[match.start : end], lexicon)
        return Status.ABSENT if excess is None or excess <= limit else None
    uncertainties = lexicon.uncertainties
    if clause.is_question or uncertainties["before"].search(until_end) or uncertainties["after"].search(from_start):
        return Status.UNCERTAIN
    is_enlarged = any(length.smallest >= limit for length in lengths)
    return Status.PRESENT if is_enlarged else term.status


def _mention(label: str, status: Status, place: Place, lengths: Sequence[Length], lexicon: Lexicon) -> Mention:
    """Return a mention with the details that its label can have, and 0 as start and end."""
    traits = lexicon.labels[label]
    has_size = traits.sized and status is not Status.ABSENT
    return Mention(
        label=label,
        status=status,
        sides=place.sides if traits.sided else frozenset(),
        levels=frozenset(level for name, level in place.levels if name == traits.levels),
        size_mm=max((length.largest for length in lengths), default=None) if has_size else None,
        start=0,
        end=0,
    )


def _distinct(mentions: Sequence[Mention]) -> Iterator[Mention]:
    """Yield each distinct mention that no other mention of the sentence covers."""
    for index, mention in enumerate(mentions):
        is_repeated = mention in mentions[:index]
        if not is_repeated and not any(_says_more(other, mention) for other in mentions if other != mention):
            yield mention


def _says_more(other: Mention, mention: Mention) -> bool:
    """Return whether ``other`` says at least as much about the same label."""
    if other.label != mention.label:
        return False
    if mention.status is Status.UNCERTAIN and other.status is Status.PRESENT:
        return True
    return (
        other.status is mention.status
        and mention.sides <= other.sides
        and mention.levels <= other.levels
        and mention.size_mm in (None, other.size_mm)
    )
