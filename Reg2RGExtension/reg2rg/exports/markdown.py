"""A report as Markdown."""

from __future__ import annotations

import re
from pathlib import Path

from reg2rg.regions import get_region
from reg2rg.report import Content, ContentSection, Report, report_content, technique_line

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|~>&<$^=:])")


def write_markdown(report: Report, path: Path) -> None:
    """Write a report as Markdown (CommonMark). All of its text appears as text, whatever characters it contains.

    Args:
        report: the report.
        path: file to write.
    """
    path.write_text(content_markdown(report_content(report)), encoding="utf-8")


def content_markdown(content: Content) -> str:
    """Return a report as Markdown, with its label at the beginning and at the end."""
    label = f"**{_escaped(content.banner or content.disclaimer)}**"
    parts = [label, f"# {_escaped(content.title)}"]
    parts += [f"> {_escaped(warning)}" for warning in content.warnings]
    if content.technique:
        parts.append(f"**Technique:** {_escaped(technique_line(dict(content.technique)))}")
    for section in content.sections:
        parts += _section_markdown(section)
    if content.skipped:
        lines = [f"- {_escaped(get_region(name).display_name)}: {_escaped(reason)}" for name, reason in content.skipped]
        parts += ["## Not described", "\n".join(lines)]
    if content.impression:
        parts += ["## Impression", *_paragraphs(content.impression)]
    parts += ["---", *(_escaped(note) for note in content.notes), label]
    return "\n\n".join(parts) + "\n"


def _section_markdown(section: ContentSection) -> list[str]:
    measured = [sentence.text for sentence in section.sentences if sentence.measured]
    items = [f"- {_escaped(line)}" for line in (*section.finding_lines, *measured)]
    return [
        f"## {_escaped(section.title)}",
        f"*{_escaped(section.facts)}; {section.state.value}*",
        *_paragraphs(section.text),
        *(["\n".join(items)] if items else []),
        *(f"> {_escaped(warning)}" for warning in section.warnings),
    ]


def _paragraphs(text: str) -> list[str]:
    return [_escaped(line) for line in text.splitlines() if line.strip()]


def _escaped(text: str) -> str:
    """Return a text as one line in which no character has a meaning in Markdown or HTML."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
