"""Orthanc, a DICOM server, with its plugin for DICOMweb, on free ports of this machine."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

TITLE = "ORTHANC"

_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


@dataclass(frozen=True)
class Orthanc:
    """A running server.

    Attributes:
        dicom_port: port of the DICOM node.
        http_port: port of DICOMweb and of Orthanc's own interface.
    """

    dicom_port: int
    http_port: int

    @property
    def node(self) -> str:
        """Address of the DICOM node."""
        return f"dicom://{TITLE}@127.0.0.1:{self.dicom_port}"

    @property
    def dicomweb(self) -> str:
        """URL of DICOMweb."""
        return f"http://127.0.0.1:{self.http_port}/dicom-web"

    def get(self, path: str) -> Any:
        """Return an answer of Orthanc's own interface or of DICOMweb."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/{path}", timeout=60) as answer:
            content = answer.read()
        return json.loads(content) if "json" in answer.headers["Content-Type"] else content

    def delete_all(self) -> None:
        """Delete all that was stored."""
        for study in self.get("studies"):
            request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}/studies/{study}", method="DELETE")
            urllib.request.urlopen(request, timeout=60).close()


@contextmanager
def running_orthanc(folder: Path, **settings: object) -> Iterator[Orthanc]:
    """Run a server that keeps its data in a folder; skip the test if it is not installed.

    Args:
        folder: an existing folder.
        settings: further settings of Orthanc.
    """
    program = shutil.which("Orthanc", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if program is None or not _PLUGIN.exists():
        pytest.skip("Orthanc and its plugin for DICOMweb are not installed; on Debian, make test installs them")
    dicom_port, http_port = _free_ports()
    configuration = {
        "StorageDirectory": str(folder / "data"),
        "IndexDirectory": str(folder / "data"),
        "DicomAet": TITLE,
        "DicomPort": dicom_port,
        "HttpPort": http_port,
        "RemoteAccessAllowed": True,
        "AuthenticationEnabled": False,
        "DicomAlwaysAllowFind": True,
        "Plugins": [str(_PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        "StorageCompression": False,
        **settings,
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    with (folder / "orthanc.log").open("w") as log:
        process = subprocess.Popen([program, folder / "orthanc.json"], stdout=log, stderr=log)
        try:
            _wait_for(dicom_port, process, folder / "orthanc.log")
            _wait_for(http_port, process, folder / "orthanc.log")
            yield Orthanc(dicom_port, http_port)
        finally:
            process.terminate()
            process.wait(60)


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"Orthanc did not start: {log.read_text()[-2000:]}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"Orthanc did not answer on port {port}: {log.read_text()[-2000:]}")
