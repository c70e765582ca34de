"""A report as an HTML fragment for notebooks."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape

from reg2rg.regions import get_region
from reg2rg.report.provenance import Provenance
from reg2rg.report.section import Section
from reg2rg.report.text import measurement_line, technique_line
from reg2rg.report.warnings import MODEL_TEXT_HIDDEN, model_text_warnings, section_warnings
from reg2rg.report.wording import finding_line, finding_lines


def report_html(
    sections: Sequence[Section],
    skipped_regions: Mapping[str, str],
    technique: Mapping[str, str],
    provenance: Provenance,
    warnings: Sequence[str],
    disclaimer: str,
    preview: bytes | None,
) -> str:
    """Return the sections next to the preview, as HTML.

    Args:
        sections: the sections in reading order.
        skipped_regions: region -> why it has no section.
        technique: how the volume was acquired, as topic -> words.
        provenance: how the report was made.
        warnings: warnings that apply to the whole report.
        disclaimer: shown above the report.
        preview: the preview as PNG data, or None.

    Returns:
        One ``div`` element without scripts or external resources.
    """
    parts = [f"<p><b>{escape(disclaimer)}</b></p>"]
    parts += [f"<p>⚠ {escape(warning)}</p>" for warning in warnings]
    if technique:
        parts.append(f"<p><b>Technique</b> {escape(technique_line(technique))}</p>")
    parts += [_section_html(section) for section in sections]
    parts += [
        f"<p>{escape(get_region(name).display_name)}: not described ({escape(reason)})</p>"
        for name, reason in skipped_regions.items()
    ]
    parts.append(f"<p><small>Model {escape(provenance.model_words)}</small></p>")
    picture = ""
    if preview is not None:
        data = base64.b64encode(preview).decode("ascii")
        picture = f'<img style="flex: 1; min-width: 0; object-fit: contain" src="data:image/png;base64,{data}">'
    return f'<div style="display: flex; gap: 1em"><div style="flex: 1">{"".join(parts)}</div>{picture}</div>'


def _section_html(section: Section) -> str:
    region = get_region(section.region)
    items = finding_lines(section)
    items += [f"⚠ {warning}" for warning in section_warnings(section)]
    items += section.measured
    red, green, blue = region.color
    return (
        f'<div style="border-left: 6px solid rgb({red}, {green}, {blue}); padding-left: 0.6em; margin-bottom: 0.8em">'
        f"<b>{escape(region.display_name)}</b> <small>{escape(measurement_line(section))}</small>"
        f"{'' if section.model_text_hidden else _text_html(section.text)}{_list_html(items)}"
        f"{_hidden_text_html(section) if section.model_text_hidden else ''}</div>"
    )


def _hidden_text_html(section: Section) -> str:
    """Return the model's text and findings folded away, marked as not shown."""
    items = [finding_line(section.region, finding) for finding in section.findings if finding.listed]
    items += [f"⚠ {warning}" for warning in model_text_warnings(section)]
    summary = f"<summary>{escape(MODEL_TEXT_HIDDEN)}</summary>"
    return f"<details>{summary}{_text_html(section.text)}{_list_html(items)}</details>"


def _text_html(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _list_html(items: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>" if items else ""
