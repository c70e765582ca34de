"""Download a file over HTTP, resuming interrupted transfers.

The Hugging Face Hub's own client compares sizes, not checksums, and works with the Hub only. Proxies are taken from the
environment (HTTPS_PROXY).
"""

from __future__ import annotations

import http.client
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from reg2rg.about import __version__
from reg2rg.errors import Reg2RGError

_BLOCK_BYTES = 1 << 20
_TIMEOUT_SECONDS = 60

_ALTERNATIVE = "download it on another machine and pass its folder as --from FOLDER"


class DownloadError(Reg2RGError):
    """A file could not be downloaded. What has been received is kept, and the next attempt resumes from it."""


def download(url: str, target: Path, on_received: Callable[[int], None]) -> None:
    """Download a file.

    Partial data is kept in ``target``.part, and later calls resume from it. Interrupted connections are resumed as long
    as each attempt receives some data. Nothing happens if the target already exists.

    Args:
        url: address of the file.
        target: the file to write.
        on_received: called with the number of bytes received so far, including earlier calls.

    Raises:
        DownloadError: the server refuses, or the connection fails.
    """
    part = target.with_name(f"{target.name}.part")
    while not target.exists():
        before = _size(part)
        try:
            if _receive_rest(url, part, on_received):
                os.replace(part, target)
                _etag_file(part).unlink(missing_ok=True)
        except urllib.error.HTTPError as error:
            if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE or not part.exists():
                raise DownloadError(_explain_status(url, error.code)) from error
            part.unlink()  # at least as long as the file, so its end cannot be trusted
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            if _size(part) <= before:
                raise DownloadError(_explain_failure(url, part, getattr(error, "reason", error))) from error
        else:
            if not target.exists() and _size(part) <= before:
                raise DownloadError(_explain_failure(url, part, "the server closed the connection"))


def _receive_rest(url: str, part: Path, on_received: Callable[[int], None]) -> bool:
    """Append the missing bytes; return whether the file is complete."""
    received = _size(part)
    with _open(url, received, _etag_file(part)) as response:
        if response.status == http.client.PARTIAL_CONTENT:
            mode, total = "ab", _total_size(response, received)
        else:  # from the start: first attempt, the file has changed, or the server cannot resume
            mode, total = "wb", int(response.headers["Content-Length"] or -1)
            received = 0
            _etag_file(part).write_text(response.headers["ETag"] or "")
        with part.open(mode) as file:
            while block := response.read(_BLOCK_BYTES):
                file.write(block)
                received += len(block)
                on_received(received)
    return received == total or total < 0


def _open(url: str, received: int, etag_file: Path) -> http.client.HTTPResponse:
    """Send the request. It asks for the missing part only if the server still has the same file."""
    headers = {"User-Agent": f"reg2rg/{__version__}", "Accept-Encoding": "identity"}
    etag = etag_file.read_text() if etag_file.is_file() else ""
    if received and etag.startswith('"'):  # a weak ETag (W/"...") does not guarantee identical bytes
        headers |= {"Range": f"bytes={received}-", "If-Range": etag}
    response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT_SECONDS)
    if url.startswith("https:") and not response.url.startswith("https:"):
        response.close()
        raise DownloadError(f"{url} redirects to {response.url}, which is not encrypted; nothing was downloaded.")
    return response


def _total_size(response: http.client.HTTPResponse, received: int) -> int:
    """Return the size of the whole file, given a response that continues after the received bytes."""
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers["Content-Range"] or "")
    if match is None or int(match[1]) != received:
        raise http.client.HTTPException(f"the server sent the wrong range: {response.headers['Content-Range']}")
    return int(match[2])


def _explain_status(url: str, status: int) -> str:
    if status in (401, 403):
        return (
            f"{url} requires a login (HTTP {status}): log in with a browser, accept the terms, save the files to a "
            "folder and pass it as --from FOLDER."
        )
    if status in (404, 410):
        return f"{url} no longer exists (HTTP {status}); check the model's page, or {_ALTERNATIVE}."
    return f"{url} could not be downloaded: the server answered HTTP {status}. Try again later, or {_ALTERNATIVE}."


def _explain_failure(url: str, part: Path, reason: object) -> str:
    size = _size(part)
    kept = f" {size / 1e6:,.1f} MB was received and kept; the same command resumes the download." if size else ""
    return f"{url} could not be downloaded ({reason}). Try again later, or {_ALTERNATIVE}.{kept}"


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def _etag_file(part: Path) -> Path:
    """Return the path of the file that stores the ETag of a partial download."""
    return part.with_name(f"{part.name}.etag")
