"""What the HTML page and the PDF have in common: templates that escape all values, header and title."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reg2rg.report import Content

if TYPE_CHECKING:
    import jinja2


def template(folder: Path, name: str) -> jinja2.Template:
    """Return a template whose values are escaped: whatever a report contains is text.

    Args:
        folder: folder of the template.
        name: name of its file.
    """
    import jinja2

    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FileSystemLoader(folder),
    )
    return environment.get_template(name)


def header_lines(content: Content) -> list[str]:
    """Return what stands at the top of every page: the banner of a draft, or who signed the report."""
    if content.banner is not None:
        lines = [content.banner]
    else:
        assert content.signature is not None
        lines = [f"Signed by {content.signature.words}", content.disclaimer]
    if content.amends is not None:
        lines.append(f"Addendum to the report signed by {content.amends.words}")
    return lines


def page_title(content: Content) -> str:
    """Return the title of a page, by which a draft is told apart in lists of files and windows."""
    return content.title if content.banner is None else f"Draft: {content.title}"
