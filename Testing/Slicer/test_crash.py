"""A review is restored after a crash: tested in hosts that are really killed. test_recovery.py also runs in Slicer."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PRELUDE = """
import os, sys
from pathlib import Path
sys.path[:0] = [{engine!r}, {tests!r}]
from slicer_host import desktop, host
host.start(testing=True, settings_folder=Path({settings!r}))
window = desktop.show_module(Path({module!r}))
import slicer
from hands import drawTranslucentSurfacesQuickly, generate, loadSample, moduleWidget, settle, waitFor
drawTranslucentSurfacesQuickly()
panel = moduleWidget().panel
"""


def run_application(script: str, settings: Path) -> subprocess.CompletedProcess:
    """Run a script in a new application, with its settings in a folder."""
    prelude = PRELUDE.format(
        engine=str(REPOSITORY / "Reg2RGExtension"),
        tests=str(REPOSITORY / "Testing" / "Slicer"),
        settings=str(settings),
        module=str(REPOSITORY / "Reg2RGModule"),
    )
    whole = prelude + textwrap.dedent(script)
    return subprocess.run([sys.executable, "-c", whole], capture_output=True, text=True, timeout=200)


REVIEW = """
loadSample(panel)
generate(panel)
panel.navigation.select("heart")
panel.ui.acceptButton.click()
panel.navigation.select("lung")
panel.ui.rejectButton.click()
"""


def stored_files(settings: Path) -> list[str]:
    return sorted(path.name for path in settings.glob("Reg2RG recovery/*"))


@pytest.fixture(scope="module")
def settings_after_a_crash(tmp_path_factory) -> Path:
    """Return the settings folder that an application left that was killed during a review. Tests work on copies."""
    settings = tmp_path_factory.mktemp("settings")
    crashed = run_application(REVIEW + f"os.kill(os.getpid(), {int(signal.SIGKILL)})", settings)
    assert crashed.returncode == -signal.SIGKILL, crashed.stderr
    assert len(stored_files(settings)) == 5
    return settings


@pytest.fixture
def settings(settings_after_a_crash, tmp_path) -> Path:
    """Return a copy of the settings folder that the crash left."""
    return shutil.copytree(settings_after_a_crash, tmp_path / "settings")


def test_after_a_crash_the_review_is_offered_for_its_volume_and_restored(settings):
    restarted = run_application(
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
        print("stored files:", len(list(panel.recovery.folder.iterdir())))
        panel.navigation.select("heart")
        from Reg2RGModuleLib import reportNode
        segmentation = reportNode.segmentationOf(reportNode.reportNodes()[0])
        print("opacity:", segmentation.GetDisplayNode().GetSegmentOpacity3D("heart"))
        print("offered again:", not panel.ui.recoverButton.isHidden())
        host.end()
        """,
        settings,
    )
    assert restarted.returncode == 0, restarted.stderr
    assert restarted.stdout.splitlines() == [
        "offered for another volume: False",
        "offered: True",
        "2 of 3 reviewed, 1 rejected 3",
        "stored files: 5",
        "opacity: 1.0",
        "offered again: False",
    ]
    assert stored_files(settings) == [], "closing the application deletes the stored files"


WHILE_RUNNING = """
panel.inputs.loadSample()
panel.ui.generateButton.click()
waitFor(lambda: panel.ui.stageLabel.text)
print(moduleWidget().logic.engine.processId(), flush=True)
"""


@pytest.mark.parametrize("ending", ["host.end()", f"os.kill(os.getpid(), {int(signal.SIGKILL)})"])
def test_the_worker_ends_with_the_application_however_it_ends(ending, tmp_path):
    done = run_application(WHILE_RUNNING + ending, tmp_path)
    worker = int(done.stdout.split()[-1])
    assert _has_ended(worker, timeout=10), f"the worker {worker} is still running after the application ended"


def _has_ended(process: int, timeout: float) -> bool:
    """Wait until a process that is not a child of this one has ended."""
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], timeout)[0])
    finally:
        os.close(descriptor)
