"""A report as an HTML fragment for notebooks."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape

from reg2rg.regions import get_region
from reg2rg.report.provenance import Provenance
from reg2rg.report.section import Section
from reg2rg.report.text import measurement_line
from reg2rg.report.warnings import section_warnings
from reg2rg.report.wording import finding_line


def report_html(
    sections: Sequence[Section],
    skipped_regions: Mapping[str, str],
    provenance: Provenance,
    warnings: Sequence[str],
    disclaimer: str,
    preview: bytes | None,
) -> str:
    """Return the sections next to the preview, as HTML.

    Args:
        sections: the sections in reading order.
        skipped_regions: region -> why it has no section.
        provenance: how the report was made.
        warnings: warnings that apply to the whole report.
        disclaimer: shown above the report.
        preview: path of the preview (PNG), or None.

    Returns:
        One ``div`` element without scripts or external resources.
    """
    parts = [f"<p><b>{escape(disclaimer)}</b></p>"]
    parts += [f"<p>⚠ {escape(warning)}</p>" for warning in warnings]
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
    items = [f"<li>{escape(finding_line(section.region, finding))}</li>" for finding in section.listed_findings]
    items += [f"<li>⚠ {escape(warning)}</li>" for warning in section_warnings(section)]
    red, green, blue = region.color
    return (
        f'<div style="border-left: 6px solid rgb({red}, {green}, {blue}); padding-left: 0.6em; margin-bottom: 0.8em">'
        f"<b>{escape(region.display_name)}</b> <small>{escape(measurement_line(section))}</small>"
        f"<p>{escape(section.text)}</p><ul>{''.join(items)}</ul></div>"
    )
