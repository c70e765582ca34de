"""The desktop window: text that must fit, the command line, screenshots, and running without a main window."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import psutil
import pytest
import qt
import slicer
from hands import moduleWidget, settle, waitFor
from located import locate, makeReport, reopen

SIZES = ((1280, 800), (1920, 1080))
"""Width and height of the window in pixels."""


@pytest.fixture
def panel():
    """Return the module's panel, in an empty scene."""
    slicer.mrmlScene.Clear(0)
    yield moduleWidget().panel
    slicer.mrmlScene.Clear(0)


def find_clipped_texts(window) -> list[str]:
    """Return the visible labels and buttons whose texts do not fit."""
    problems = []
    for widget in (*window.findChildren("QLabel"), *window.findChildren("QPushButton")):
        if not widget.isVisible() or not widget.text:
            continue
        wraps = widget.inherits("QLabel") and widget.wordWrap
        needed = qt.QSize(widget.width, widget.heightForWidth(widget.width)) if wraps else widget.sizeHint
        if needed.width() > widget.width or needed.height() > widget.height:
            problems.append(f"{widget.name}: {widget.text[:60]!r} needs {needed}, has {widget.size}")
        position = widget.mapTo(window, qt.QPoint(0, 0))
        if position.x() < 0 or position.x() + widget.width > window.width:
            problems.append(f"{widget.name}: {widget.text[:60]!r} extends beyond the window")
    return problems


@pytest.fixture
def no_rendering():
    """Pause rendering, which takes most of the time of a resize but does not affect texts."""
    slicer.app.pauseRender()
    yield
    slicer.app.resumeRender()


def assert_nothing_is_clipped(window, situation: str) -> None:
    """Fail if a text is clipped in the window at any of ``SIZES``."""
    for size in SIZES:
        window.resize(*size)
        settle()
        assert find_clipped_texts(window) == [], (situation, size)


@contextlib.contextmanager
def suspended(process_id: int) -> Iterator[None]:
    """Suspend the engine's process, if it runs, for the duration of a block."""
    try:
        process = psutil.Process(process_id) if process_id else None
        if process is not None:
            process.suspend()
    except psutil.NoSuchProcess:
        process = None
    try:
        yield
    finally:
        if process is not None:
            process.resume()


@pytest.mark.usefixtures("no_rendering")
def test_no_text_is_clipped_before_during_and_after_a_run(panel, window):
    assert_nothing_is_clipped(window, "empty scene")
    panel.inputs.loadSample()
    panel.ui.advancedButton.collapsed = False
    assert_nothing_is_clipped(window, "inputs")
    panel.ui.advancedButton.collapsed = True
    # The engine would write a report that it has written before too quickly to see each stage.
    slicer.util.arrayFromVolume(panel.inputs.volume)[:] += 1
    slicer.util.arrayFromVolumeModified(panel.inputs.volume)
    panel.ui.generateButton.click()
    logic = moduleWidget().logic
    stages: list[str] = []
    while logic.run.active:
        stages.append(panel.ui.stageLabel.text)
        with suspended(logic.engine.processId()):  # so that it does not get ahead
            assert_nothing_is_clipped(window, stages[-1])
        waitFor(lambda: not logic.run.active or panel.ui.stageLabel.text != stages[-1])
    assert len(stages) > 2
    assert_nothing_is_clipped(window, "report")
    for region in panel.sections.regions:
        panel.navigation.select(region)
        assert_nothing_is_clipped(window, region)


@pytest.fixture(scope="class")
def report():
    """Generate a report for the sample case that has located findings, and return its node."""
    slicer.mrmlScene.Clear(0)
    yield makeReport()
    slicer.mrmlScene.Clear(0)


@pytest.mark.usefixtures("report")
class TestReport:
    """Tests that share one report."""

    @pytest.fixture
    def panel(self):
        """Return the module's panel; the scene keeps the report."""
        return moduleWidget().panel

    @pytest.mark.usefixtures("no_rendering")
    @pytest.mark.parametrize("familiar", [True, False])
    def test_no_text_of_findings_is_clipped(self, panel, window, report, familiar):
        locate(report, familiar)
        reopen()
        for region in panel.sections.regions:
            panel.navigation.select(region)
            assert_nothing_is_clipped(window, region)
            panel.navigation.nextFinding()
            assert_nothing_is_clipped(window, f"finding of {region}")

    def test_the_selected_card_is_scrolled_into_view(self, panel, window):
        window.resize(1280, 800)
        area = next(area for area in window.findChildren("QScrollArea") if area.isAncestorOf(panel.ui.sectionsBox))
        for region in panel.sections.regions:
            panel.navigation.select(region)
            settle()
            card = panel.sections.card(region)
            top = card.mapTo(area, qt.QPoint(0, 0)).y()
            assert top >= 0 and top + card.height <= area.height, region

    def test_section_cards_have_the_colors_of_their_segments(self, panel, report):
        from Reg2RGModuleLib import reportNode

        segmentation = reportNode.segmentationOf(report).GetSegmentation()
        for region in panel.sections.regions:
            image = panel.sections.card(region).findChildren("QLabel")[0].pixmap.toImage()
            shown = image.pixelColor(image.width() // 2, image.height() // 2)
            expected = [round(255 * channel) for channel in segmentation.GetSegment(region).GetColor()]
            assert [shown.red(), shown.green(), shown.blue()] == expected


def test_the_volume_selector_of_the_window_follows_the_views(panel, window):
    import numpy as np
    from Reg2RGModuleLib import views

    first, second = (slicer.util.addVolumeFromArray(np.zeros((5, 5, 5), np.int16), name=name) for name in "AB")
    for volume in (first, second, first):
        views.showVolume(volume)
        assert window._volume_selector.currentNode() is volume


def reg2rg(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a separate process."""
    code = "from reg2rg.cli.main import main; main()"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=600)


def colors(picture, columns: range, rows: range) -> set[int]:
    """Return the different colors at every seventh pixel of a part of a picture."""
    return {picture.pixel(x, y) for x in columns[::7] for y in rows[::7]}


def test_a_screenshot_without_a_ct_shows_a_report_for_the_sample_case(panel, window, tmp_path):
    from slicer_host.desktop import SIZE
    from slicer_host.screenshot import save_report

    window.resize(*SIZE)
    save_report(window, tmp_path / "shot.png")
    picture = qt.QImage(str(tmp_path / "shot.png"))
    assert (picture.width(), picture.height()) == (1280, 800)
    assert len(colors(picture, range(440), range(800))) > 50
    assert len(colors(picture, range(460, 1280), range(800))) > 200
    assert panel.inputs.volume.GetName() == "Sample chest (synthetic)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such-file.nii"], "does not exist"),
        (["--screenshot", "/proc/no/shot.png"], "/proc"),
        (["--screenshot", "x.png", "--size", "big"], "WIDTHxHEIGHT"),
    ],
)
def test_invalid_arguments_give_a_one_line_message(arguments, message):
    done = reg2rg("desktop", *arguments)
    assert done.returncode != 0
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_the_screenshot_command_on_the_page_shows_a_report_for_a_ct(tmp_path, monkeypatch):
    """The page is docs/slicer.md."""
    import SimpleITK as sitk
    from dicom_files import write_series
    from documentation import find_commands, words

    from reg2rg.phantom import make_phantom

    (line,) = (line for line in find_commands("reg2rg desktop CT") if "--screenshot" in line.text)
    assert line.page == "docs/slicer.md"
    monkeypatch.chdir(tmp_path)
    write_series(tmp_path / "CT", sitk.Shrink(make_phantom(5).volume, (2, 2, 1)))
    done = reg2rg(*words(line.text)[1:])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "FILE.png\n"
    picture = qt.QImage(str(tmp_path / "FILE.png"))
    assert (picture.width(), picture.height()) == (1280, 800)
    assert len(colors(picture, range(440), range(800))) > 50
    assert len(colors(picture, range(460, 1280), range(800))) > 200


def test_the_size_of_a_screenshot_can_be_chosen(tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from reg2rg.cli.main import app

    calls = []
    monkeypatch.setattr("slicer_host.screenshot.save_screenshot", lambda *arguments: calls.append(arguments))
    file = tmp_path / "pictures" / "shot.png"
    assert CliRunner().invoke(app, ["desktop", "--screenshot", str(file), "--size", "1400x900"]).exit_code == 0
    assert calls == [(file, None, (1400, 900))] and file.parent.is_dir()


def test_a_volume_that_is_not_a_chest_ct_is_refused_with_the_message_of_the_reader(tmp_path):
    import numpy as np
    import SimpleITK as sitk

    from reg2rg.errors import InputError
    from reg2rg.volumes import read_volume

    file, picture = tmp_path / "noise.nrrd", tmp_path / "x.png"
    sitk.WriteImage(sitk.GetImageFromArray(np.random.default_rng(0).normal(size=(20, 20, 20)).astype("f4")), str(file))
    with pytest.raises(InputError, match="noise.nrrd is not a chest CT in HU") as refusal:
        read_volume(file)
    done = reg2rg("desktop", str(file), "--screenshot", str(picture))
    assert done.stderr == f"reg2rg: {refusal.value}\n"
    assert done.returncode == InputError.exit_code
    assert not picture.exists()


WITHOUT_MAIN_WINDOW = """
import sys
sys.path[:0] = [{engine!r}, {tests!r}]
from pathlib import Path
from slicer_host import host
host.start(main_window=False, testing=True)
module = host.load_module(Path({module!r}))
import slicer
assert slicer.app.layoutManager() is None
assert slicer.modules.reg2rgmodule is module and module.name == "Reg2RGModule"
assert module.categories and module.acknowledgementText and module.contributors and module.title
assert not module.icon.isNull()
for _ in range(2):
    module.logic()
    module.widgetRepresentation()
scene = slicer.vtkMRMLScene()
module.setMRMLScene(scene)
print("survived another scene")
slicer.mrmlScene.Clear(0)
host.end()
"""


def test_the_module_passes_slicers_generic_tests_without_a_main_window(repository):
    script = WITHOUT_MAIN_WINDOW.format(
        engine=str(repository / "Reg2RGExtension"),
        tests=str(repository / "Testing" / "Slicer"),
        module=str(repository / "Reg2RGModule"),
    )
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "survived another scene" in done.stdout
    assert done.stderr.strip() == "", done.stderr


def test_the_self_test_of_the_module_passes(panel):
    from Reg2RGModule import Reg2RGModuleTest

    Reg2RGModuleTest().runTest()
