"""A local server that speaks the protocol of S3."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def s3_server() -> Iterator[Any]:
    """Run a server with the bucket ``bucket`` while the block runs, and yield its file system.

    The environment says where it is, as it would for any other server.
    """
    import fsspec
    import requests
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # not each request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        try:
            # All servers of a process share their buckets.
            requests.post(f"http://127.0.0.1:{port}/moto-api/reset", timeout=60).raise_for_status()
            store = fsspec.filesystem("s3", use_listings_cache=False)
            store.mkdir("bucket")
            yield store
        finally:
            server.stop()
            store.clear_instance_cache()
