"""A report as one HTML page in which clicking a sentence shows its place. The page needs no network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from reg2rg.about import __version__
from reg2rg.exports.html.scene import Scene, make_scene
from reg2rg.exports.places import Places
from reg2rg.exports.templates import header_lines, page_title, template
from reg2rg.exports.view_grid import make_view
from reg2rg.measurements import measurement_words
from reg2rg.regions import get_region
from reg2rg.report import ContentSection, Report, Target, report_content

_FOLDER = Path(__file__).parent
_SCRIPTS = ("scene.js", "slices.js", "surfaces.js", "page.js")


def write_html(report: Report, volume: sitk.Image | None, path: Path) -> None:
    """Write a report as an HTML page.

    Args:
        report: a report with its folder.
        volume: the CT that the report was made from. Without it, the page shows outlines and surfaces only.
        path: file to write.
    """
    content = report_content(report)
    view = make_view(report, volume)
    places = Places(report, view)
    sections = [_section(section, places) for section in content.sections]
    scene = make_scene(view, places.all)
    style = (_FOLDER / "page.css").read_text(encoding="utf-8") + _colors(content.sections, scene)
    script = "\n".join((_FOLDER / "viewer" / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    page = template(_FOLDER, "page.html").render(
        content=content,
        header=header_lines(content),
        sections=sections,
        scene=scene,
        style=_trusted(style),
        style_hash=_hash(style),
        script=_trusted(script),
        script_hash=_hash(script),
        title=page_title(content),
        display_name=lambda name: get_region(name).display_name,
        version=__version__,
    )
    path.write_text(page, encoding="utf-8")


def _section(section: ContentSection, places: Places) -> dict[str, Any]:
    """Return the linked parts of a section, with the numbers of the places that they point to."""
    sentences = [(s.measured, {"text": s.text, "places": places.of_targets(s.targets)}) for s in section.sentences]
    findings = zip(section.finding_lines, section.findings, strict=True)
    return {
        "content": section,
        "places": places.of_targets([Target(section.region)]),
        "written": [sentence for measured, sentence in sentences if not measured],
        "measured": [sentence for measured, sentence in sentences if measured],
        "findings": [
            {"text": line, "places": places.of_targets([Target(section.region, finding=finding)])}
            for line, finding in findings
        ],
        "measurements": [
            {
                "name": measurement.name,
                "text": measurement_words(measurement),
                "places": places.of_targets([Target(section.region, measurement=measurement)]),
            }
            for measurement in section.measurements
        ],
    }


def _colors(sections: Sequence[ContentSection], scene: Scene) -> str:
    """Return style rules with the regions' colors. Attributes cannot set them, because the page forbids such styles."""
    rules = [f".color-{i} {{ border-left-color: {_css(get_region(s.region).color)} }}" for i, s in enumerate(sections)]
    rules += [f".swatch-{i} {{ background: {_css(region['color'])} }}" for i, region in enumerate(scene["regions"])]
    return "\n".join(rules)


def _css(color: Any) -> str:
    red, green, blue = color
    return f"rgb({red}, {green}, {blue})"


def _hash(text: str) -> str:
    """Return the source expression that allows one inline script or style (W3C, Content Security Policy Level 3)."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _trusted(text: str) -> Any:
    """Return a part of this package as markup that is not escaped."""
    import markupsafe

    return markupsafe.Markup(text)
