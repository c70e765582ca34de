"""A report as an HTML fragment for notebooks."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape

from reg2rg.regions import get_region
from reg2rg.report.content import Content, ContentSection, ModelText
from reg2rg.report.wording import technique_line


def content_html(content: Content, preview: bytes | None) -> str:
    """Return the sections next to the preview, as HTML.

    Args:
        content: the content of the report.
        preview: the preview as PNG data, or None.

    Returns:
        One ``div`` element without scripts or external resources.
    """
    parts = [f"<p><b>{escape(content.banner or content.disclaimer)}</b></p>"]
    parts += [f"<p>⚠ {escape(warning)}</p>" for warning in content.warnings]
    if content.technique:
        parts.append(f"<p><b>Technique</b> {escape(technique_line(dict(content.technique)))}</p>")
    parts += [_section_html(section) for section in content.sections]
    parts += [
        f"<p>{escape(get_region(name).display_name)}: not described ({escape(reason)})</p>"
        for name, reason in content.skipped
    ]
    if content.impression:
        parts.append(f"<p><b>Impression</b></p>{''.join(_text_html(line) for line in content.impression.splitlines())}")
    parts += [f"<p><small>{escape(note)}</small></p>" for note in content.notes]
    picture = ""
    if preview is not None:
        data = base64.b64encode(preview).decode("ascii")
        picture = f'<img style="flex: 1; min-width: 0; object-fit: contain" src="data:image/png;base64,{data}">'
    return f'<div style="display: flex; gap: 1em"><div style="flex: 1">{"".join(parts)}</div>{picture}</div>'


def _section_html(section: ContentSection) -> str:
    items = [*section.finding_lines, *(f"⚠ {warning}" for warning in section.warnings)]
    items += [sentence.text for sentence in section.sentences if sentence.measured]
    red, green, blue = get_region(section.region).color
    return (
        f'<div style="border-left: 6px solid rgb({red}, {green}, {blue}); padding-left: 0.6em; margin-bottom: 0.8em">'
        f"<b>{escape(section.title)}</b> <small>{escape(section.facts)}</small>"
        f"{_text_html(section.text) if section.text else ''}{_list_html(items)}"
        f"{_model_text_html(section.folded) if section.folded is not None else ''}</div>"
    )


def _model_text_html(folded: ModelText) -> str:
    """Return the model's text and findings folded away, marked as not shown."""
    items = [*folded.finding_lines, *(f"⚠ {warning}" for warning in folded.warnings)]
    summary = f"<summary>{escape(folded.heading)}</summary>"
    return f"<details>{summary}{_text_html(folded.text)}{_list_html(items)}</details>"


def _text_html(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _list_html(items: Iterable[str]) -> str:
    joined = "".join(f"<li>{escape(item)}</li>" for item in items)
    return f"<ul>{joined}</ul>" if joined else ""
