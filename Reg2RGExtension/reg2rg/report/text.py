"""A report as plain text."""

from __future__ import annotations

import textwrap

from reg2rg.regions import get_region
from reg2rg.report.content import Content, ContentSection, ModelText
from reg2rg.report.review import ReviewState
from reg2rg.report.wording import technique_line

LINE_WIDTH = 100

NOT_REVIEWED = "not reviewed"
"""Marks the sections of a report under review that nobody has reviewed yet."""


def content_text(content: Content, *, with_model_text: bool = False) -> str:
    """Return a report as text, with its label at the beginning and at the end.

    Args:
        content: the content of the report.
        with_model_text: whether to append the model's text, marked as such, to sections that hide it.
    """
    label = content.banner or content.disclaimer
    marked = any(section.state is not ReviewState.DRAFT for section in content.sections)
    parts = [label, content.title.upper()]
    parts += [f"[{warning}]" for warning in content.warnings]
    if content.technique:
        parts.append("\n".join(["TECHNIQUE", *_wrapped(technique_line(dict(content.technique)))]))
    parts += [_section_text(section, marked, with_model_text) for section in content.sections]
    if content.skipped:
        lines = [f"- {get_region(name).display_name}: {reason}" for name, reason in content.skipped]
        parts.append("\n".join(["NOT DESCRIBED", *lines]))
    if content.impression:
        parts.append("\n".join(["IMPRESSION", *_wrapped(content.impression)]))
    parts.append("\n".join(content.notes))
    parts.append(label)
    return "\n\n".join(parts) + "\n"


def _section_text(section: ContentSection, marked: bool, with_model_text: bool) -> str:
    heading = f"{section.title.upper()} ({section.facts})"
    if marked and section.state is ReviewState.DRAFT:
        heading += f" [{NOT_REVIEWED}]"
    lines = [heading, *_wrapped(section.text)]
    lines += [f"  - {line}" for line in section.finding_lines]
    for sentence in section.sentences:
        if sentence.measured:
            lines += textwrap.wrap(sentence.text, LINE_WIDTH, initial_indent="  = ", subsequent_indent="    ")
    lines += [f"[{warning}]" for warning in section.warnings]
    if with_model_text and section.folded is not None:
        lines += _model_text_lines(section.folded)
    return "\n".join(lines)


def _model_text_lines(folded: ModelText) -> list[str]:
    """Return model text that is not a part of the report, below a heading that says so."""
    return [
        f"[{folded.heading}:]",
        *(_wrapped(folded.text) or ["no text"]),
        *(f"  - {line}" for line in folded.finding_lines),
        *(f"[{warning}]" for warning in folded.warnings),
    ]


def _wrapped(text: str) -> list[str]:
    """Return the lines of a text, each wrapped."""
    return [part for line in text.splitlines() for part in textwrap.wrap(line, LINE_WIDTH)]
