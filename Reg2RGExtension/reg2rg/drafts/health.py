"""Whether the service works: a file that it keeps up to date while it does."""

from __future__ import annotations

import json
import time
from pathlib import Path

from reg2rg.batch.records import replace_text
from reg2rg.errors import Reg2RGError

HEALTH_FILE = "health.json"

IDLE_SECONDS = 60.0
"""How old the file may be while no draft is written."""

BUSY_SECONDS = 3600.0
"""How old it may be while drafts are written: it is updated after each of them."""


def write_health(root: Path, waiting: int, trouble: str) -> None:
    """Say that the service works.

    Args:
        root: its output folder.
        waiting: how many series wait for their drafts.
        trouble: why series are not received or drafts not sent at the moment; empty if they are.
    """
    replace_text(root / HEALTH_FILE, json.dumps({"waiting": waiting, "trouble": trouble}) + "\n")


def remove_health(root: Path) -> None:
    """Say that the service has ended."""
    (root / HEALTH_FILE).unlink(missing_ok=True)


def check_health(root: Path) -> str:
    """Return what a service does, such as "2 series wait for their drafts".

    Raises:
        Reg2RGError: it does not run, cannot reach an address, or hangs.
    """
    file = root / HEALTH_FILE
    try:
        age = time.time() - file.stat().st_mtime
        values = json.loads(file.read_text(encoding="utf-8"))
        waiting, trouble = int(values["waiting"]), str(values["trouble"])
    except FileNotFoundError:
        raise Reg2RGError(f"No service writes to {root} at the moment.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise Reg2RGError(f"{file} is damaged; start the service again.") from error
    if trouble:
        raise Reg2RGError(trouble)
    if age > (BUSY_SECONDS if waiting else IDLE_SECONDS):
        raise Reg2RGError(f"The service has not done anything for {age:.0f} s; start it again.")
    return f"{waiting} series wait{'s' if waiting == 1 else ''} for a draft"
