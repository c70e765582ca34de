"""One file over HTTP, resumed where it was cut off.

The hub's own client compares sizes, not sums, and serves the hub alone; this is all that a catalogue of plain addresses
needs. Proxies are those of the environment (HTTPS_PROXY).
"""

from __future__ import annotations

import http.client
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from reg2rg import __version__
from reg2rg.errors import Reg2RGError

_BLOCK = 1 << 20
_TIMEOUT = 60  # seconds without a byte

_ELSEWHERE = "fetch it on another machine and name its folder with --from"


class DownloadError(Reg2RGError):
    """A file could not be fetched; what has come of it stays and is gone on from."""


def fetch(url: str, target: Path, progress: Callable[[int], None]) -> None:
    """Fetch ``url`` into ``target``, going on from what earlier calls have brought; at once if it is there already.

    What has come so far is in ``target``.part. A connection that is cut is taken up again as long as each attempt
    brings something.

    Args:
        progress: is told the bytes fetched so far, those of earlier calls included.

    Raises:
        DownloadError: in one line, what is wrong and what to do.
    """
    part = target.with_name(f"{target.name}.part")
    while not target.exists():
        before = _size(part)
        try:
            if _fetch_rest(url, part, progress):
                os.replace(part, target)
                _tag(part).unlink(missing_ok=True)
        except urllib.error.HTTPError as error:
            if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE or not part.exists():
                raise DownloadError(_refusal(url, error.code)) from error
            part.unlink()  # it is as long as the file, or longer: nothing is known of its end
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            if _size(part) <= before:
                raise DownloadError(_cut_off(url, part, getattr(error, "reason", error))) from error
        else:
            if not target.exists() and _size(part) <= before:
                raise DownloadError(_cut_off(url, part, "the server closed the connection"))


def _fetch_rest(url: str, part: Path, progress: Callable[[int], None]) -> bool:
    """Append what is missing; whether the file is complete."""
    have = _size(part)
    with _open(url, have, _tag(part)) as response:
        if response.status == http.client.PARTIAL_CONTENT:
            mode, total = "ab", _total(response, have)
        else:  # from the beginning: the first time, or the file has changed, or the server cannot resume
            mode, total = "wb", int(response.headers["Content-Length"] or -1)
            have = 0
            _tag(part).write_text(response.headers["ETag"] or "")
        with part.open(mode) as file:
            while block := response.read(_BLOCK):
                file.write(block)
                have += len(block)
                progress(have)
    return have == total or total < 0


def _open(url: str, have: int, tag: Path) -> http.client.HTTPResponse:
    """The response; only the part after ``have`` bytes, if the server still has the very file that they came from."""
    headers = {"User-Agent": f"reg2rg/{__version__}", "Accept-Encoding": "identity"}
    known = tag.read_text() if tag.is_file() else ""
    if have and known.startswith('"'):  # a weak tag (W/"...") does not promise the same bytes
        headers |= {"Range": f"bytes={have}-", "If-Range": known}
    response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT)
    if url.startswith("https:") and not response.url.startswith("https:"):
        response.close()
        raise DownloadError(f"{url} leads to {response.url}, which is not encrypted; nothing was fetched from there.")
    return response


def _total(response: http.client.HTTPResponse, have: int) -> int:
    """Size of the whole file, as a response says that goes on after ``have`` bytes."""
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers["Content-Range"] or "")
    if match is None or int(match[1]) != have:
        raise http.client.HTTPException(f"the server goes on elsewhere: {response.headers['Content-Range']}")
    return int(match[2])


def _refusal(url: str, status: int) -> str:
    if status in (401, 403):
        return (
            f"{url} is not given to everybody (HTTP {status}): log in there with a browser, accept its terms, and name "
            "the folder that you saved it in with --from."
        )
    if status in (404, 410):
        return f"{url} is not there any more (HTTP {status}); look at the model's page, or {_ELSEWHERE}."
    return f"{url} cannot be fetched: the server answers HTTP {status}; try again later, or {_ELSEWHERE}."


def _cut_off(url: str, part: Path, reason: object) -> str:
    have = f" {_size(part) / 1e6:,.1f} MB of it are kept; the same command goes on from there." if _size(part) else ""
    return f"{url} cannot be fetched ({reason}); try again later, or {_ELSEWHERE}.{have}"


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def _tag(part: Path) -> Path:
    """Beside a part, the tag of the file that it is of."""
    return part.with_name(f"{part.name}.etag")
