"""A local HTTP server that resumes, interrupts or refuses downloads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from socket import socket

from local_server import running_server


@dataclass
class FileServer:
    """What a server serves, how it behaves, and what was requested.

    Attributes:
        files: path -> content.
        tag: ETag of all files; without one, downloads cannot be resumed.
        cuts: number of bytes after which each of the next responses ends prematurely.
        status: answer all requests with this status.
        redirect: redirect all requests to this address.
        ranges: the Range header of each request so far; None for a whole file.
        url: address of the running server.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    tag: str | None = '"first"'
    cuts: list[int] = field(default_factory=list)
    status: int | None = None
    redirect: str | None = None
    ranges: list[str | None] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(
    server: FileServer, wrap: Callable[[socket], socket] = lambda socket: socket, scheme: str = "http"
) -> Iterator[FileServer]:
    """Serve in a thread while the block runs; ``wrap`` can add TLS to the socket."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requested = self.headers["Range"]
            server.ranges.append(requested)
            content = server.files.get(self.path)
            if server.redirect:
                self.send_response(302)
                self.send_header("Location", server.redirect)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if server.status or content is None:
                self.send_error(server.status or 404)
                return
            begin = int(re.fullmatch(r"bytes=(\d+)-", requested)[1]) if requested else 0
            if requested and self.headers["If-Range"] != server.tag:
                begin, requested = 0, None
            if requested and begin >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if requested else 200)
            if requested:
                self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
            if server.tag:
                self.send_header("ETag", server.tag)
            self.send_header("Content-Length", str(len(content) - begin))
            self.end_headers()
            self.wfile.write(content[begin:][: server.cuts.pop(0) if server.cuts else None])

        def log_message(self, *arguments: object) -> None:
            pass

    with running_server(Handler, wrap) as listener:
        server.url = f"{scheme}://127.0.0.1:{listener.server_port}"
        yield server
