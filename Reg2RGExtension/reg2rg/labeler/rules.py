"""The rule-based reader: which findings a text asserts, denies or leaves open, sentence by sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from reg2rg.labeler.clauses import Clause, split_clauses
from reg2rg.labeler.lexicon import Table, Term, tables
from reg2rg.labeler.location import Length, Place, lengths_of_terms, places_of_terms, read_place
from reg2rg.labeler.mention import FURTHER_LABELS, Mention, Status
from reg2rg.labeler.sentences import split_sections, split_sentences
from reg2rg.regions import get_region


@dataclass(frozen=True)
class _Mention:
    """A term in a clause."""

    term: Term
    start: int
    end: int


def extract_mentions(text: str, region: str | None = None) -> tuple[Mention, ...]:
    """The findings of a text, sentence by sentence.

    Args:
        text: report text; the published prefix "The region i is NAME:" begins that region's section.
        region: the region whose section the text is; None for a whole report, whose sentences must say themselves what
            organ they speak of. InputError if no region is called so.

    Of one label a sentence gives several findings if it tells several apart, by status, place or size. The published
    labels are read as if there were no others, so what is measured on them stays as it is.
    """
    if region is not None:
        get_region(region)
    findings = []
    for start, end, section in split_sections(text, region):
        for first, last in split_sentences(text, start, end):
            findings += [
                replace(finding, start=first, end=last) for finding in _read_sentence(text[first:last], section)
            ]
    return tuple(findings)


@lru_cache(maxsize=1 << 16)
def _read_sentence(sentence: str, region: str | None) -> tuple[Mention, ...]:
    """Findings whose ``start`` and ``end`` are not set yet; reports repeat their sentences."""
    words, text, found = tables(), sentence.lower(), []
    if words.published.any_term.search(text):
        found += _read_with(words.published, sentence, region)
    if words.further.any_term.search(text) and any(term.may_fit(text, region) for term in words.further.terms):
        found += [finding for finding in _read_with(words.all, sentence, region) if finding.label in FURTHER_LABELS]
    return tuple(found)


def _read_with(terms: Table, sentence: str, region: str | None) -> Iterator[Mention]:
    found = [finding for clause in split_clauses(sentence, terms) for finding in _read_clause(clause, region, terms)]
    return _distinct(found)


def _read_clause(clause: Clause, region: str | None, terms: Table) -> Iterator[Mention]:
    mentions = _mentions(clause, region, terms)
    if not mentions:
        return
    groups = _groups(clause.text, mentions)
    spans = [(group[0].start, max(mention.end for mention in group)) for group in groups]
    places = places_of_terms(clause.text, spans, terms)
    context = read_place(clause.context, terms)
    if not any(places):
        places = [context] * len(groups)
    sized = [i for i, group in enumerate(groups) if any(terms.labels[mention.term.label].sized for mention in group)]
    lengths = lengths_of_terms(clause.text, [spans[i] for i in sized], terms) if sized else []
    for index, (group, place) in enumerate(zip(groups, places, strict=True)):
        own = lengths[sized.index(index)] or context.lengths if index in sized else ()
        for mention in group:
            status = _status(clause, mention, own, terms)
            if status is not None:
                yield _finding(mention.term.label, status, place, own, terms)


def _mentions(clause: Clause, region: str | None, terms: Table) -> list[_Mention]:
    """Terms in the order of the text; of a label's terms that overlap, the table's first.

    A further label's word may have what it must stand near in the context: "a lesion in the liver (cyst?)".
    """
    text, found = clause.text, list[_Mention]()
    for term in terms.terms:
        said = f"{clause.context} {text}" if term.label in FURTHER_LABELS else text
        for match in term.pattern.finditer(text):
            taken = any(m.term.label == term.label and m.start < match.end() and match.start() < m.end for m in found)
            if not taken and term.fits(said, region):
                found.append(_Mention(term, match.start(), match.end()))
    return sorted(found, key=lambda mention: mention.start)


def _groups(text: str, mentions: Sequence[_Mention]) -> list[list[_Mention]]:
    """Mentions that overlap or touch have one place."""
    groups: list[list[_Mention]] = []
    for mention in mentions:
        end = max((m.end for m in groups[-1]), default=0) if groups else 0
        if groups and not text[end : mention.start].strip(" -/"):
            groups[-1].append(mention)
        else:
            groups.append([mention])
    return groups


def _status(clause: Clause, mention: _Mention, lengths: Sequence[Length], terms: Table) -> Status | None:
    """What the clause says of the mention; None if it says nothing."""
    text, term = clause.text, mention.term
    before, behind = text[: mention.end], text[mention.start :]
    if term.status == "absent":
        return Status.ABSENT
    if terms.cues["moot"].search(before):
        return None
    if terms.deny["before"].search(before) or terms.deny["after"].search(behind):
        return Status.ABSENT
    if clause.doubtful or terms.doubt["before"].search(before) or terms.doubt["after"].search(behind):
        return Status.UNCERTAIN
    limit = terms.labels[term.label].enlarged_mm or 0.0
    enlarged = any(length.smallest >= limit for length in lengths)
    return Status.PRESENT if term.status == "said" or enlarged else Status.UNCERTAIN


def _finding(label: str, status: Status, place: Place, lengths: Sequence[Length], terms: Table) -> Mention:
    told = terms.labels[label]
    levels = frozenset(level for name, level in place.levels if name == told.levels)
    sized = told.sized and status is not Status.ABSENT
    size = max((length.largest for length in lengths), default=None) if sized else None
    return Mention(label, status, place.sides if told.sided else frozenset(), levels, size, 0, 0)


def _distinct(findings: Sequence[Mention]) -> Iterator[Mention]:
    """Without those that say no more than another one of their sentence."""
    for index, finding in enumerate(findings):
        others = findings[:index] + findings[index + 1 :]
        if finding in findings[:index] or any(_says_more(other, finding) for other in others if other != finding):
            continue
        yield finding


def _says_more(other: Mention, finding: Mention) -> bool:
    if other.label != finding.label:
        return False
    if finding.status is Status.UNCERTAIN and other.status is Status.PRESENT:
        return True
    return (
        other.status is finding.status
        and finding.sides <= other.sides
        and finding.levels <= other.levels
        and finding.size_mm in (None, other.size_mm)
    )
