"""`reg2rg` in a process of its own, what every failed command has in common, and a disk that is soon full."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

COMMAND = [sys.executable, "-m", "reg2rg.cli"]

Finished = subprocess.CompletedProcess[str]
Run = Callable[..., Finished]
"""Type of the fixture `reg2rg`, which runs commands in this process."""


def run_process(*arguments: object, **options) -> Finished:
    """Run the command in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, **options)


def error_line(finished: Finished, code: int) -> str:
    """Check that a command failed as expected and return its error: the last line, the only one that names reg2rg."""
    assert finished.returncode == code, finished.stderr
    assert finished.stdout == "" and "Traceback" not in finished.stderr
    *progress, error = finished.stderr.splitlines()
    assert error.startswith("reg2rg: ") and not any(line.startswith("reg2rg: ") for line in progress)
    return error


@contextlib.contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let writes beyond a size in bytes fail like writes to a full disk, which needs no privileges. POSIX only."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
