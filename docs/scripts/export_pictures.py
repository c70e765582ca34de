"""Make the pictures of exports for the documentation: the HTML page in Chromium, and pages of the PDF.

    python docs/scripts/export_pictures.py REPORT CT

REPORT is the folder of a report of the sample case, such as ``reg2rg demo`` writes, and CT is its volume. ``make
screenshots`` runs this.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pypdfium2
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from reg2rg import load_report
from reg2rg.exports.formats import export_report

IMAGES = Path(__file__).resolve().parents[1] / "images"
CHROMIUM = ["--no-sandbox", "--enable-unsafe-swiftshader", "--use-angle=swiftshader", "--disable-gpu-compositing"]
SHOWN = "Lung nodule"


@contextlib.contextmanager
def opened(file: Path) -> Iterator[Page]:
    """Open a page in Chromium, and close it after the block."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(120_000)
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-ready]")
        yield page
        browser.close()


def show_page(file: Path, picture: Path) -> None:
    """Select the nodule on a page, and save a screenshot."""
    with opened(file) as page:
        page.get_by_role("link", name=SHOWN).first.click()
        page.wait_for_timeout(1000)
        page.screenshot(path=picture)


def show_pages(file: Path, picture: Path, count: int = 3) -> None:
    """Save the first pages of a PDF side by side."""
    pages = [page.render(scale=1.1).to_pil() for page in list(pypdfium2.PdfDocument(file))[:count]]
    width, height, gap = pages[0].width, pages[0].height, 12
    sheet = Image.new("RGB", (count * (width + gap) + gap, height + 2 * gap), (130, 136, 144))
    for index, page in enumerate(pages):
        sheet.paste(page, (gap + index * (width + gap), gap))
    sheet.quantize(128).save(picture, optimize=True)


def main() -> None:
    """Write the pictures."""
    folder, ct = map(Path, sys.argv[1:])
    report = load_report(folder)
    with tempfile.TemporaryDirectory() as scratch:
        show_page(export_report(report, "html", Path(scratch, "chest"), ct), IMAGES / "export_html.png")
        show_pages(export_report(report, "pdf", Path(scratch, "chest"), ct), IMAGES / "export_pdf.png")


if __name__ == "__main__":
    main()
