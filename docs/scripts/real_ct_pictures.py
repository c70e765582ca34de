"""Make a picture of the draft of a real CT: its HTML page with what the model says about the lungs unfolded.

    python docs/scripts/real_ct_pictures.py REPORT CT PICTURE

The slices go through the model's first finding in the lungs, if there is one, although it is not in the draft.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from export_pictures import opened
from PIL import Image

from reg2rg import load_report
from reg2rg.exports.formats import export_report
from reg2rg.exports.view_grid import make_view
from reg2rg.report import Report
from reg2rg.volumes import read_volume

PLANES = ("sagittal", "coronal", "axial")


def finding_index(report: Report, ct: Path) -> list[int]:
    """Return the slices (x, y, z) through the first finding of the lungs that is left out; none if there is none."""
    for finding in report.section("lung").withheld_findings:
        if finding.location is not None:
            view = make_view(report, read_volume(ct))
            return [round(index) for index in view.index(finding.location.point_ras)]
    return []


def show_lungs(file: Path, index: Sequence[int], picture: Path) -> None:
    """Unfold the model's text about the lungs on a page, move the slices, and save a screenshot."""
    with opened(file) as page:
        page.get_by_label("Window").select_option(label="Lung")
        for plane, value in zip(PLANES, index, strict=False):
            page.locator(f"#{plane}-slider").fill(str(value))
        section = page.locator("section.region", has=page.locator("h2", has_text="Lungs"))
        section.locator("details", has_text="Model text").evaluate("details => { details.open = true; }")
        section.evaluate("element => element.scrollIntoView({block: 'end'})")
        page.evaluate("document.activeElement.blur()")
        page.wait_for_timeout(1000)
        page.screenshot(path=picture)


def main() -> None:
    """Write the picture."""
    folder, ct, picture = map(Path, sys.argv[1:])
    report = load_report(folder)
    with tempfile.TemporaryDirectory() as scratch:
        page = export_report(report, "html", Path(scratch, "chest"), ct)
        show_lungs(page, finding_index(report, ct), picture)
    Image.open(picture).quantize(200).save(picture, optimize=True)


if __name__ == "__main__":
    main()
