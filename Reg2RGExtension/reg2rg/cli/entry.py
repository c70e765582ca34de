"""The entry point, which imports the command line when Ctrl-C already ends the process without a traceback."""

from __future__ import annotations

import os
import signal


def main() -> None:
    """Run the command line; see ``reg2rg.cli.main``."""
    signal.signal(signal.SIGINT, _quit)
    from reg2rg.cli.main import main as run

    run()


def _quit(number: int, frame: object) -> None:
    os.write(2, b"reg2rg: Interrupted; nothing was written.\n")
    os._exit(130)  # as reg2rg.cli.main.INTERRUPTED, which is not imported yet
