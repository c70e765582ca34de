"""The text of a section's card: the report text with marks and links, and the measurements."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

if TYPE_CHECKING:
    from reg2rg.report import IntervalChange, ReviewState, Section, Sentence


LOW_PROBABILITY = 0.8
"""Sentences with a mean token probability below this value are marked."""
LOCATION_MARK = "◎"
"""Follows a sentence that can be clicked to go to the location of a finding."""
CONTRADICTION_MARK = "⚠"
"""Follows a sentence that the finding detector or a measurement contradicts. Its link is a key of contradictionsOf."""
REMOVE = "remove:"
"""Begins links that remove something from the report."""


def bodyHtml(section: Section, text: str, state: ReviewState, textColor: str) -> str:
    """Return the text of a section as HTML.

    If the text has not been edited, sentences with a low probability are underlined and marked, and sentences that
    mention a located finding link to it. Contradicted sentences are followed by a sign.

    Args:
        section: the section as the model wrote it.
        text: its current text.
        state: its review state. Rejected text is crossed out.
        textColor: color of normal text, also used for the links.
    """
    if not text:
        return f"<i>{html.escape(_('no text'))}</i>"
    if section.measured_only or text != section.text:
        body = html.escape(text)
    else:
        body, end = "", 0
        contradictions = contradictionsOf(section)
        for index, sentence in enumerate(section.sentences):
            body += html.escape(text[end : sentence.start])
            body += _sentenceHtml(section, sentence, state, textColor)
            if (link := _contradictionLink(index)) in contradictions:
                body += f'&nbsp;<a href="{link}">{CONTRADICTION_MARK}</a>'
            end = sentence.end
        body += html.escape(text[end:])
    return f"<s>{body}</s>" if state.value == "rejected" else body


def changesHtml(changes: Sequence[IntervalChange], textColor: str) -> str:
    """Return what changed since the prior CT as HTML, one sentence per line. Each links to its place.

    Args:
        changes: the changes; the link of each is its index, and that for removing it is ``REMOVE`` with its index.
        textColor: color of normal text, also used for the links.
    """
    style = f"color: {textColor}; text-decoration: none"
    return "<br>".join(
        f'<a href="{index}" style="{style}">{html.escape(change.text)}</a>&nbsp;<a href="{index}">{LOCATION_MARK}</a>'
        f' <small><a href="{REMOVE}{index}">{html.escape(_("Remove"))}</a></small>'
        for index, change in enumerate(changes)
    )


def locatedFinding(section: Section, sentence: Sentence) -> int | None:
    """Return the index of the located finding that a sentence links to, preferably a focal one, or None."""
    located = []
    for index in sentence.findings:
        location = section.findings[index].location
        if location is not None:
            located.append((not location.focal, index))
    return min(located)[1] if located else None


def contradictionsOf(section: Section) -> dict[str, str]:
    """Return the link of each contradicted sentence's sign with what contradicts the sentence."""
    messages: dict[str, list[str]] = {}
    for disagreement in section.disagreements:
        if disagreement.sentence is not None:
            messages.setdefault(_contradictionLink(disagreement.sentence), []).append(disagreement.message)
    return {link: " ".join(said) for link, said in messages.items()}


def _contradictionLink(sentence: int) -> str:
    return f"contradiction:{sentence}"


def factsOf(section: Section, text: str) -> str:
    """Return the measurements of the region and, if the text has marks, their meaning, as one line."""
    facts = [_("{0:,.0f} mL").format(section.volume_ml), _("mean {0:.0f} HU").format(section.mean_hu)]
    if section.approximate:
        facts.append(_("region estimated, not segmented"))
    if text == section.draft == section.text and any(_hasLowProbability(sentence) for sentence in section.sentences):
        facts.append(_("(?) the model is unsure of the wording"))
    return " · ".join(facts)


def _hasLowProbability(sentence: Sentence) -> bool:
    """Return whether the model was unsure of a sentence's wording. This says little about whether it is true."""
    return sentence.mean_probability is not None and sentence.mean_probability < LOW_PROBABILITY


def _sentenceHtml(section: Section, sentence: Sentence, state: ReviewState, textColor: str) -> str:
    from reg2rg.report import ReviewState

    body = html.escape(section.text[sentence.start : sentence.end])
    if _hasLowProbability(sentence):
        body = f"<u>{body}</u>&nbsp;<b>(?)</b>"
    finding = locatedFinding(section, sentence)
    if finding is None:
        return body
    decoration = "line-through" if state == ReviewState.REJECTED else "none"  # a link's own decoration overrides <s>
    style = f"color: {textColor}; text-decoration: {decoration}"
    return f'<a href="{finding}" style="{style}">{body}</a>&nbsp;<a href="{finding}">{LOCATION_MARK}</a>'
