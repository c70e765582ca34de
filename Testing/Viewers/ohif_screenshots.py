"""Screenshots of an exported report in the OHIF viewer, with Orthanc as its server.

Usage: python Testing/Viewers/ohif_screenshots.py EXPORT FOLDER [--series SERIES]

EXPORT is a folder written by ``reg2rg export --format dicom``; SERIES the DICOM folder of the CT, unless it is a part
of the export. It needs node, npm, Chromium, Orthanc and its plugin for DICOMweb. The first run installs OHIF by npm in
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

from reg2rg.exports.sending.address import parse_address  # noqa: E402
from reg2rg.exports.sending.send import open_receiver, send_folder  # noqa: E402
from reg2rg.exports.sending.tls import Certificates  # noqa: E402

OHIF = "@ohif/app@3.13.2"
DRIVER = "puppeteer-core@25.16.0"

TOOLS = HERE.parents[1] / "out" / "ohif"
"""Where OHIF and the driver of the browser are installed."""

VIEWER = TOOLS / "package" / "dist"


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
    """Install OHIF and the driver if they are missing; of OHIF only its files, not what it is built from."""
    if VIEWER.is_dir() and (TOOLS / "node_modules").is_dir():
        return
    TOOLS.mkdir(parents=True, exist_ok=True)
    packed = subprocess.run(["npm", "pack", "--silent", OHIF], cwd=TOOLS, check=True, capture_output=True, text=True)
    with tarfile.open(TOOLS / packed.stdout.strip()) as archive:
        archive.extractall(TOOLS, filter="data")
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", ".", DRIVER], cwd=TOOLS, check=True)


def main() -> None:
    """Send the export to a new Orthanc, and take the screenshots."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("export", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--series", type=Path)
    options = parser.parse_args()
    _install()
    options.folder.mkdir(parents=True, exist_ok=True)
    study = pydicom.dcmread(next(options.export.glob("*report.dcm"))).StudyInstanceUID
    with tempfile.TemporaryDirectory() as scratch, running_orthanc(Path(scratch)) as orthanc:
        address = parse_address(orthanc.node)
        for folder in filter(None, (options.export, options.series)):
            send_folder(folder, address, open_receiver(address, Certificates()), record_in=Path(scratch), again=True)
        handler = type("OhifHandler", (Handler,), {"orthanc": orthanc})
        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), lambda *arguments: handler(*arguments, directory=str(VIEWER))
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        chromium = shutil.which("chromium") or shutil.which("google-chrome") or "chromium"
        script = shutil.copy(HERE / "ohif_screenshots.mjs", TOOLS)  # beside the driver, where node looks for it
        subprocess.run(["node", script, url, study, options.folder.resolve(), chromium], check=True)
        server.shutdown()


if __name__ == "__main__":
    main()
