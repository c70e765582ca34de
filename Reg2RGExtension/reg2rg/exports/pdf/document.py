"""A report as a tagged PDF in reading order, with key slices and a table of measurements."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from reg2rg.about import __version__
from reg2rg.errors import Reg2RGError
from reg2rg.exports.marks import marks_of
from reg2rg.exports.measurement_picture import MAX_PANELS, draw_measurement
from reg2rg.exports.pdf.pictures import data_url, place_picture
from reg2rg.exports.places import Places
from reg2rg.exports.slices import draw_slices
from reg2rg.exports.templates import header_lines, page_title, template
from reg2rg.exports.view_grid import View, make_view
from reg2rg.measurements import measurement_words
from reg2rg.regions import get_region
from reg2rg.report import ContentSection, Report, Target, report_content

_FOLDER = Path(__file__).parent
MAX_PICTURES = 3
"""Pictures per section: of its first located findings, or else of the region."""

SHORT_TEXT = 600
"""Sections with fewer characters are kept on one page together with their pictures."""


def write_pdf(report: Report, volume: sitk.Image | None, path: Path) -> None:
    """Write a report as PDF; the arguments and errors are those of ``make_pdf``.

    Args:
        report: a report with its folder.
        volume: the CT that the report was made from.
        path: file to write.
    """
    path.write_bytes(make_pdf(report, volume))


def make_pdf(report: Report, volume: sitk.Image | None) -> bytes:
    """Return a report as PDF.

    Args:
        report: a report with its folder.
        volume: the CT that the report was made from. Without it, the pictures show outlines only.

    Raises:
        InputError: the report has no folder.
        Reg2RGError: the system library Pango is missing.
    """
    try:
        import weasyprint
        from weasyprint.urls import URLFetcher
    except OSError as error:  # a system library is missing
        raise Reg2RGError(
            f"WeasyPrint cannot be loaded ({error}); install Pango: "
            "https://doc.courtbouillon.org/weasyprint/stable/first_steps.html"
        ) from error
    page = weasyprint.HTML(string=_page(report, volume), url_fetcher=URLFetcher(allowed_protocols=("data",)))
    pdf: bytes = page.write_pdf(pdf_variant="pdf/ua-1")
    return pdf


def _page(report: Report, volume: sitk.Image | None) -> str:
    """Return the HTML that the PDF is made from."""
    import markupsafe

    content = report_content(report)
    view = make_view(report, volume)
    places = Places(report, view)
    measurements = [(section, m) for section in content.sections for m in section.measurements]
    overview, lines = None, []
    if volume is not None:
        overview = data_url(draw_slices(volume, report.masks, marks_of(content), (255, 255, 255)))
        turned = sitk.DICOMOrient(volume, "LPS")
        measured = [m for _, m in measurements if m.lines][:MAX_PANELS]
        lines = [{"name": f"{m.name}: {m.text}", "data": data_url(draw_measurement(m, turned))} for m in measured]
    style = (_FOLDER / "page.css").read_text(encoding="utf-8") + _colors(content.sections)
    return template(_FOLDER, "page.html").render(
        content=content,
        header=header_lines(content),
        short_text=SHORT_TEXT,
        overview=overview,
        sections=[{"content": s, "pictures": _pictures(s, places, view)} for s in content.sections],
        skipped=[(get_region(name).display_name, reason) for name, reason in content.skipped],
        rows=[(section.title, m.name, measurement_words(m)) for section, m in measurements],
        lines=lines,
        style=markupsafe.Markup(style),
        title=page_title(content),
        version=__version__,
    )


def _pictures(section: ContentSection, places: Places, view: View) -> list[dict[str, str]]:
    """Return the pictures of a section's located findings, or else one of its region."""
    located = [Target(section.region, finding=finding) for finding in section.findings if finding.segment]
    numbers = places.of_targets(located or [Target(section.region)])[:MAX_PICTURES]
    shown = [places.all[number] for number in numbers]
    return [{"name": place.name, "data": data_url(place_picture(view, place))} for place in shown]


def _colors(sections: tuple[ContentSection, ...]) -> str:
    """Return style rules with the regions' colors."""
    colors = [get_region(section.region).color for section in sections]
    return "\n".join(f".color-{i} {{ border-left-color: rgb{color} }}" for i, color in enumerate(colors))
