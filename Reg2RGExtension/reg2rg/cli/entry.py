"""The entry point: how the process of the command line begins and ends.

The command line is imported when Ctrl-C already ends the process without a traceback.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys


def main() -> None:
    """Run the command line; see ``reg2rg.cli.main``."""
    signal.signal(signal.SIGINT, _quit)
    from reg2rg.cli.main import main as run

    try:
        run()
    except SystemExit as end:
        if "ray" in sys.modules:
            _end_without_native_handlers(end)
        raise


def _quit(number: int, frame: object) -> None:
    os.write(2, b"reg2rg: Interrupted; nothing was written.\n")
    os._exit(130)  # as reg2rg.cli.main.INTERRUPTED, which is not imported yet


def _end_without_native_handlers(end: SystemExit) -> None:
    """End the process without the exit handlers of C++ libraries.

    Those of Ray free what Ray's own threads still use for a while, which ends some processes with a segmentation fault
    after all work is done (Ray 2.60: TaskManager::RecordMetrics during CoreWorkerProcess::HandleAtExit).
    """
    assert isinstance(end.code, int)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # a closed pipe, as at any other end
            stream.flush()
    os._exit(end.code)
