"""A review is restored after a crash, tested with applications that are actually killed."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PRELUDE = """
import os, sys
from pathlib import Path
sys.path[:0] = [{engine!r}, {tests!r}]
from slicer_host import desktop, host
host.start(testing=True, settings_folder=Path({settings!r}))
window = desktop.show_module(Path({module!r}))
import slicer
from hands import generate, moduleWidget, settle
panel = moduleWidget().panel
"""


@pytest.fixture
def application(tmp_path, repository):
    """Return a function that runs a script in a new application. All applications share their settings."""

    def run(script: str) -> subprocess.CompletedProcess:
        prelude = PRELUDE.format(
            engine=str(repository / "Reg2RGExtension"),
            tests=str(repository / "Testing" / "Slicer"),
            settings=str(tmp_path),
            module=str(repository / "Reg2RGModule"),
        )
        whole = prelude + textwrap.dedent(script)
        return subprocess.run([sys.executable, "-c", whole], capture_output=True, text=True, timeout=200)

    return run


REVIEW_AND = """
panel.inputs.loadSample()
generate(panel)
panel.navigation.select("heart")
panel.ui.acceptButton.click()
panel.navigation.select("lung")
panel.ui.rejectButton.click()
"""


def stored_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("Reg2RG recovery/*"))


def test_after_a_crash_the_review_is_offered_for_its_volume_and_restored(application, tmp_path):
    crashed = application(REVIEW_AND + f"os.kill(os.getpid(), {int(signal.SIGKILL)})")
    assert crashed.returncode == -signal.SIGKILL, crashed.stderr
    assert len(stored_files(tmp_path)) == 4
    restarted = application(
        """
        import numpy as np
        other = slicer.util.addVolumeFromArray(np.zeros((9, 9, 9), np.int16), name="other")
        panel.inputs.parameters.inputVolume = other
        settle()
        print("offered for another volume:", not panel.ui.recoverButton.isHidden())
        panel.inputs.loadSample()
        print("offered:", not panel.ui.recoverButton.isHidden())
        panel.ui.recoverButton.click()
        settle()
        print(panel.ui.reviewedLabel.text, len(panel.sections.regions))
        panel.navigation.select("heart")
        from Reg2RGModuleLib import reportNode
        segmentation = reportNode.segmentationOf(reportNode.reportNodes()[0])
        print("opacity:", segmentation.GetDisplayNode().GetSegmentOpacity3D("heart"))
        print("offered again:", not panel.ui.recoverButton.isHidden())
        host.end()
        """
    )
    assert restarted.returncode == 0, restarted.stderr
    assert restarted.stdout.splitlines() == [
        "offered for another volume: False",
        "offered: True",
        "2 of 10 reviewed, 1 rejected 10",
        "opacity: 1.0",
        "offered again: False",
    ]
    assert stored_files(tmp_path) == [], "the second application was closed properly"


def test_closing_the_scene_or_the_application_deletes_the_stored_files(application, tmp_path):
    closed = application(REVIEW_AND + "slicer.mrmlScene.Clear(0)")
    assert closed.returncode == 0, closed.stderr
    assert stored_files(tmp_path) == []
    ended = application(REVIEW_AND + "host.end()")
    assert ended.returncode == 0, ended.stderr
    assert stored_files(tmp_path) == []


def test_the_files_of_another_running_application_are_not_offered(application, tmp_path):
    application(REVIEW_AND + f"os.kill(os.getpid(), {int(signal.SIGKILL)})")
    for file in (tmp_path / "Reg2RG recovery").iterdir():
        owner, rest = file.name.split("-", 1)
        file.rename(file.with_name(f"{os.getpid()}-{rest}"))
    other = application("panel.inputs.loadSample()\nprint(panel.ui.recoverButton.isHidden())")
    assert other.stdout.splitlines()[-1] == "True", other.stderr


WHILE_RUNNING = """
from hands import waitFor
panel.inputs.loadSample()
panel.ui.generateButton.click()
waitFor(lambda: panel.ui.progressBar.value >= 3)
print(moduleWidget().logic.engine.processId(), flush=True)
"""


@pytest.mark.parametrize("ending", ["host.end()", f"os.kill(os.getpid(), {int(signal.SIGKILL)})"])
def test_the_worker_ends_with_the_application_however_it_ends(application, ending):
    done = application(WHILE_RUNNING + ending)
    worker = int(done.stdout.split()[-1])
    assert _has_ended(worker, timeout=10), f"the worker {worker} is still running after the application ended"


def _has_ended(process: int, timeout: float) -> bool:
    """Wait until a process that is not a child of this process has ended."""
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], timeout)[0])
    finally:
        os.close(descriptor)
