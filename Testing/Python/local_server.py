"""HTTP servers on this machine that run in a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket


@contextmanager
def running_server(
    handler: type[BaseHTTPRequestHandler], wrap: Callable[[socket], socket] = lambda socket: socket
) -> Iterator[ThreadingHTTPServer]:
    """Run a server on a free port while the block runs; ``wrap`` can add TLS to its socket."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.socket = wrap(server.socket)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
