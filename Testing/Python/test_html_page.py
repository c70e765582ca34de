"""The HTML page in a real browser: links, keyboard, accessibility, hostile text, and no network."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from phantom_report import write_phantom_report
from reports_under_review import REVIEWER, reviewed_report, signed_report

from reg2rg.about import DRAFT_LABEL, SIGNED_LABEL
from reg2rg.errors import InputError
from reg2rg.exports.formats import export_report
from reg2rg.exports.html.scene import GRAY_CURVE
from reg2rg.exports.view_grid import make_view
from reg2rg.regions import get_region
from reg2rg.report import MODEL_TEXT_HIDDEN, Report
from reg2rg.volumes import read_volume

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed; the Makefile installs it on Debian"),
]

AXE = Path(sys.prefix, "node", "node_modules", "axe-core", "axe.min.js")
NODULE = "A 16 mm nodule is present in the left lower lobe."
HOSTILE = (
    "<script>alert(1)</script></script> <img src=x onerror=alert(2)> <b>bold</b> &amp; {{ 7 * 7 }} \x1b[31m \x00 "
    "-->]]> \u65e5\u672c\u8a9e \u0440\u0443\u0441\u0441\u043a\u0438\u0439 " + "word " * 20_000
)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> tuple[Report, Path]:
    return write_phantom_report(tmp_path_factory.mktemp("phantom"))


@pytest.fixture(scope="module")
def report(files) -> Report:
    return files[0]


@pytest.fixture(scope="module")
def browser() -> Iterator:
    # SwiftShader draws WebGL without a graphics card; the rest of the page is drawn faster without it.
    arguments = ["--no-sandbox", "--enable-unsafe-swiftshader", "--use-angle=swiftshader", "--disable-gpu-compositing"]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def open_page(browser, tmp_path_factory) -> Callable:
    """Return a function that exports a report, opens it, and fails if the page asks for anything or logs errors."""

    def open_page(report: Report, ct: Path | None):
        file = export_report(report, "html", tmp_path_factory.mktemp("page") / "chest", ct)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(120_000)  # on a busy machine
        page.problems = []
        page.on("request", lambda request: request.url == file.as_uri() or page.problems.append(request.url))
        page.on("console", lambda message: message.type == "error" and page.problems.append(message.text))
        for event in ("pageerror", "dialog"):
            page.on(event, lambda what: page.problems.append(str(what)))
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-ready]")
        assert page.problems == []
        return page

    return open_page


@pytest.fixture(scope="module")
def page(open_page, files):
    """Return the page of the draft; tests may select and scroll in it, but must not depend on what others selected."""
    return open_page(*files)


@pytest.fixture(scope="module")
def signed_page(open_page, files):
    return open_page(signed_report(files[0], heart=None), files[1])


def slider(page, plane: str) -> int:
    return int(page.eval_on_selector(f"#{plane}-slider", "slider => slider.value"))


def count_pixels(page, canvas: str, color: tuple[int, int, int], tolerance: int = 20) -> int:
    """Return how many pixels of a slice have a color."""
    script = """([id, color, tolerance]) => {
        const canvas = document.getElementById(id);
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        let count = 0;
        for (let i = 0; i < data.length; i += 4) {
            if (color.every((value, channel) => Math.abs(data[i + channel] - value) <= tolerance)) count++;
        }
        return count;
    }"""
    return page.evaluate(script, [canvas, list(color), tolerance])


def redrawn(page) -> None:
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def surface_picture(page) -> str:
    redrawn(page)
    return page.eval_on_selector("#surfaces", "canvas => canvas.toDataURL()")


def test_clicking_a_sentence_shows_its_finding_in_all_views(page, report, files):
    page.get_by_role("link", name=get_region("heart").display_name, exact=True).click()
    heart = surface_picture(page)
    page.get_by_role("link", name=NODULE).click()
    redrawn(page)
    nodule = report.section("lung").findings[0]
    x, y, z = make_view(report, read_volume(files[1])).index(nodule.location.point_ras)
    assert [slider(page, plane) for plane in ("sagittal", "coronal", "axial")] == [round(x), round(y), round(z)]
    assert page.inner_text("#status").startswith("Shown: Lung nodule, left lower lobe")
    for plane in ("axial", "coronal", "sagittal"):
        assert count_pixels(page, plane, get_region("lung").bright_color) > 10
    assert surface_picture(page) != heart
    assert page.eval_on_selector("#window", "select => select.value") == "Lung"


def test_enter_on_a_link_is_the_same_as_a_click(page):
    page.get_by_role("link", name=get_region("abdomen").display_name, exact=True).click()
    page.get_by_role("link", name=NODULE).focus()
    page.keyboard.press("Enter")
    assert page.inner_text("#status").startswith("Shown: Lung nodule")
    assert page.get_attribute("a[aria-current]", "data-places") == page.get_by_role("link", name=NODULE).get_attribute(
        "data-places"
    )


def test_a_measurement_shows_its_line(page):
    page.get_by_role("link", name=get_region("heart").display_name, exact=True).click()
    redrawn(page)
    assert count_pixels(page, "axial", (255, 221, 64), 5) == 0
    page.get_by_role("link", name="Transverse diameter of the trachea").first.click()
    redrawn(page)
    assert count_pixels(page, "axial", (255, 221, 64), 5) > 30


def test_slices_scroll_with_wheel_and_keys_and_follow_a_click(page):
    before = slider(page, "axial")
    page.focus("#axial-slider")
    page.keyboard.press("ArrowRight")
    assert slider(page, "axial") == before + 1
    page.hover("#axial")
    page.mouse.wheel(0, 100)
    redrawn(page)
    assert slider(page, "axial") == before
    box = page.locator("#axial").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    redrawn(page)
    assert abs(slider(page, "sagittal") / int(page.get_attribute("#sagittal-slider", "max")) - 0.25) < 0.03


def test_surfaces_turn_with_keys_and_buttons(page):
    first = surface_picture(page)
    page.focus("#surfaces")
    page.keyboard.press("ArrowLeft")
    second = surface_picture(page)
    page.get_by_role("button", name="Turn right").click()
    third = surface_picture(page)
    assert len({first, second, third}) == 3


def test_a_region_can_be_hidden(page):
    page.get_by_role("link", name=get_region("heart").display_name, exact=True).click()
    redrawn(page)
    color = get_region("abdomen").color
    assert count_pixels(page, "coronal", color) > 10
    page.get_by_role("checkbox", name=get_region("abdomen").display_name).uncheck()
    redrawn(page)
    assert count_pixels(page, "coronal", color) == 0
    page.get_by_role("checkbox", name=get_region("abdomen").display_name).check()


def test_the_banner_of_a_draft_stays_visible(page):
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    banner = page.locator(".banner")
    assert banner.inner_text() == DRAFT_LABEL and banner.bounding_box()["y"] == 0
    assert page.title() == "Draft: Chest CT report"


def test_the_page_has_no_accessibility_violations(page, signed_page):
    for each in (page, signed_page):
        for details in each.query_selector_all("details"):
            details.evaluate("details => { details.open = true; }")
        each.evaluate(AXE.read_text(encoding="utf-8"))
        violations = each.evaluate("async () => (await axe.run()).violations")
        assert [(v["id"], [node["html"] for node in v["nodes"]]) for v in violations] == []


def test_only_this_script_and_style_may_run(page):
    policy = page.get_attribute("meta[http-equiv='Content-Security-Policy']", "content")
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'window.ran = 1'}))")
    assert page.evaluate("window.ran") is None
    page.problems.clear()  # the browser reports the refused script


def test_the_stored_gray_values_are_the_density(page, report, files):
    hu = make_view(report, read_volume(files[1])).hu
    z, y, x = (size // 2 for size in hu.shape)
    script = "async (i) => (await loadScene(document.getElementById('scene').textContent)).volume[i]"
    stored = page.evaluate(script, (z * hu.shape[1] + y) * hu.shape[2] + x)
    (low, gray_low), (high, gray_high) = GRAY_CURVE[1:3]
    assert abs(low + (stored - gray_low) * (high - low) / (gray_high - gray_low) - hu[z, y, x]) < 40  # JPEG


def test_a_signed_report_looks_different_and_names_its_signer(signed_page):
    banner = signed_page.inner_text(".banner")
    assert f"Signed by {REVIEWER}, " in banner and SIGNED_LABEL in banner
    assert "signed" in signed_page.get_attribute(".banner", "class")
    assert DRAFT_LABEL not in signed_page.content()
    assert "Heart: rejected by the reviewer" in signed_page.inner_text("main")
    assert signed_page.title() == "Chest CT report"


def test_hostile_text_is_text(open_page, files, page):
    hostile = open_page(reviewed_report(files[0], lung=HOSTILE, heart="x" * 100_000), files[1])
    text = " ".join(hostile.inner_text("main").split())
    assert " ".join(HOSTILE.replace("\x1b", "\ufffd").replace("\x00", "\ufffd").split()) in text
    assert hostile.eval_on_selector_all("main script, main img, main b", "found => found.length") == 0
    assert hostile.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert hostile.problems == []


def test_the_text_of_a_model_outside_its_domain_is_folded(open_page, tmp_path):
    report, ct = write_phantom_report(tmp_path, out_of_distribution=True)
    page = open_page(report, ct)
    assert NODULE not in page.inner_text("main")
    page.get_by_text(MODEL_TEXT_HIDDEN).first.click()
    assert NODULE in page.inner_text("main")
    assert page.get_by_role("link", name=NODULE).count() == 0


def test_without_the_ct_the_page_shows_regions(open_page, report):
    page = open_page(report, None)
    page.get_by_role("link", name=get_region("lung").display_name, exact=True).click()
    redrawn(page)
    tint = tuple(round(0.22 * channel) for channel in get_region("lung").color)  # over black
    assert count_pixels(page, "axial", tint, 4) > 1000


def test_another_ct_is_refused(report, tmp_path):
    import SimpleITK as sitk

    image = read_volume(report.folder.parent / "ct.nrrd")
    image.SetOrigin([mm + 5 for mm in image.GetOrigin()])
    sitk.WriteImage(image, str(tmp_path / "other.nrrd"))
    with pytest.raises(InputError, match="is not the CT from which this report was made"):
        export_report(report, "html", tmp_path / "chest", tmp_path / "other.nrrd")


def test_a_report_without_its_folder_cannot_be_a_page(report, tmp_path):
    with pytest.raises(InputError, match="no folder"):
        export_report(dataclasses.replace(report, folder=None), "html", tmp_path / "chest")
