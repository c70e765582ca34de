"""An HTTP server on this machine that resumes, cuts off and refuses, as told."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileServer:
    """What it serves, how, and what it was asked for.

    Attributes:
        files: path -> content.
        tag: of all files; without one nothing can be resumed.
        cuts: after how many bytes each of the next answers ends, whatever it has promised.
        status: answer everything with this status instead.
        redirect: send every request there instead.
        ranges: the Range of each request so far, None for a whole file.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    tag: str | None = '"first"'
    cuts: list[int] = field(default_factory=list)
    status: int | None = None
    redirect: str | None = None
    ranges: list[str | None] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(server: FileServer, wrap=lambda socket: socket, scheme: str = "http") -> Iterator[FileServer]:
    """Serve in a thread while the block runs; ``wrap`` may put TLS around the socket."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers["Range"]
            server.ranges.append(asked)
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
            begin = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked else 0
            if asked and self.headers["If-Range"] != server.tag:
                begin, asked = 0, None
            if asked and begin >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if asked else 200)
            if asked:
                self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
            if server.tag:
                self.send_header("ETag", server.tag)
            self.send_header("Content-Length", str(len(content) - begin))
            self.end_headers()
            self.wfile.write(content[begin:][: server.cuts.pop(0) if server.cuts else None])

        def log_message(self, *arguments: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.socket = wrap(listening.socket)
    server.url = f"{scheme}://127.0.0.1:{listening.server_port}"
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
