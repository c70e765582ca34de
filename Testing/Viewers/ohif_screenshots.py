"""Screenshots of an exported report in the OHIF viewer, with Orthanc as its server.

Usage: python Testing/Viewers/ohif_screenshots.py EXPORT FOLDER [--series SERIES]

EXPORT is a folder written by ``reg2rg export --format dicom``; SERIES the DICOM folder of the CT, unless it is a part
of the export. It needs npm, Chromium, Orthanc and its plugin for DICOMweb. The first run downloads OHIF by npm to
out/ohif.
"""

from __future__ import annotations

import argparse
import http.server
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "Python"), str(HERE.parents[1] / "Reg2RGExtension")]

import pydicom  # noqa: E402
from orthanc_server import Orthanc, running_orthanc  # noqa: E402
from playwright.sync_api import Page, sync_playwright  # noqa: E402

from reg2rg.exports.sending.address import parse_address  # noqa: E402
from reg2rg.exports.sending.send import open_receiver, send_folder  # noqa: E402
from reg2rg.exports.sending.tls import Certificates  # noqa: E402

OHIF = "@ohif/app@3.13.2"
CHROMIUM = ("--no-sandbox", "--enable-unsafe-swiftshader", "--use-angle=swiftshader", "--ignore-gpu-blocklist")

TOOLS = HERE.parents[1] / "out" / "ohif"
"""Where OHIF is downloaded to."""

VIEWER = TOOLS / "package" / "dist"

SERIES = '[data-cy^="study-browser-thumbnail"]'
"""The series in OHIF's list."""

PICTURES = {
    "ct": ("CT", 0),
    "regions": ("Regions", 34),
    "structures": ("Structures", 34),
    "findings": ("Findings", 18),
    "report": ("Chest CT report,", 0),
    "measurements": ("Measurements", 0),
    "pdf": ("Report (PDF)", 0),
}
"""Name of a picture -> words that the series begins with, and how many slices to scroll down."""


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves OHIF, and passes requests for DICOMweb on to Orthanc."""

    protocol_version = "HTTP/1.1"
    orthanc: Orthanc

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if path.startswith("/dicom-web"):
            self._pass_on()
        elif path == "/app-config.js":
            self._answer(200, "text/javascript", (HERE / "ohif_config.js").read_bytes())
        elif (VIEWER / path.lstrip("/")).is_file():
            super().do_GET()
        else:
            self._answer(200, "text/html", (VIEWER / "index.html").read_bytes())

    def end_headers(self) -> None:
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, *arguments: object) -> None:
        pass

    def _pass_on(self) -> None:
        url = f"http://127.0.0.1:{self.orthanc.http_port}{self.path}"
        headers = {"Host": self.headers["Host"], "Accept": self.headers.get("Accept", "*/*")}
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=120) as answer:
                self._answer(answer.status, answer.headers["Content-Type"], answer.read())
        except urllib.error.HTTPError as error:
            self._answer(error.code, error.headers["Content-Type"] or "text/plain", error.read())

    def _answer(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _install() -> None:
    """Download OHIF if it is missing: only its files, not what it is built from."""
    if VIEWER.is_dir():
        return
    TOOLS.mkdir(parents=True, exist_ok=True)
    packed = subprocess.run(["npm", "pack", "--silent", OHIF], cwd=TOOLS, check=True, capture_output=True, text=True)
    with tarfile.open(TOOLS / packed.stdout.strip()) as archive:
        archive.extractall(TOOLS, filter="data")


def _take_pictures(url: str, folder: Path) -> None:
    """Open a study once for each of its series, because OHIF keeps segmentations that it has loaded."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM)
        for name, (words, slices) in PICTURES.items():
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(300_000)
            page.on("pageerror", lambda error: print("error:", error, file=sys.stderr))
            page.goto(url)
            _show(page, words, slices)
            page.screenshot(path=folder / f"ohif-{name}.png")
            page.close()
        browser.close()


def _show(page: Page, words: str, slices: int) -> None:
    page.wait_for_selector(SERIES)
    page.wait_for_timeout(10_000)
    if (tour := page.get_by_text("Skip all")).count():
        tour.first.click()
    page.locator(SERIES).filter(has_text=words).first.dblclick()
    page.wait_for_timeout(10_000)
    if (load := page.get_by_role("button", name="Yes", exact=True)).count():  # asks whether to load a segmentation
        load.first.click()
        page.wait_for_timeout(10_000)
    for _ in range(slices):
        page.keyboard.press("ArrowDown")
        page.wait_for_timeout(200)
    page.wait_for_timeout(3_000)


def main() -> None:
    """Send the export to a new Orthanc, and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("export", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--series", type=Path)
    options = parser.parse_args()
    _install()
    options.folder.mkdir(parents=True, exist_ok=True)
    study = pydicom.dcmread(next(options.export.glob("*report.dcm"))).StudyInstanceUID
    with tempfile.TemporaryDirectory() as scratch, running_orthanc(Path(scratch)) as orthanc:
        address = parse_address(orthanc.dicomweb)  # its DICOM node refuses label maps
        for folder in filter(None, (options.export, options.series)):
            send_folder(folder, address, open_receiver(address, Certificates()), record_in=Path(scratch), again=True)
        handler = type("OhifHandler", (Handler,), {"orthanc": orthanc})
        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), lambda *arguments: handler(*arguments, directory=str(VIEWER))
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        _take_pictures(f"http://127.0.0.1:{server.server_port}/viewer?StudyInstanceUIDs={study}", options.folder)
        server.shutdown()


if __name__ == "__main__":
    main()
