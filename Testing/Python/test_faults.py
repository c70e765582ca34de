"""A few of the faults of `make faults`: commands that are interrupted leave nothing behind and can be run again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the script makes itself the parent of orphans, as only Linux can")
def test_interrupted_commands_leave_nothing_behind_and_can_be_run_again(repository: Path) -> None:
    script = repository / "Testing" / "Faults" / "faults.py"
    finished = subprocess.run([sys.executable, script, "--every", "80"], capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "without a problem" in finished.stdout
