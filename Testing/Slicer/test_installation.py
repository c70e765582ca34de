"""Installation on the first run: missing packages are listed and installed with consent; Slicer's own are kept."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
import textwrap
import types
import zipfile
from pathlib import Path

import pytest
import qt
import slicer
from hands import moduleWidget
from Reg2RGModuleLib import installation, locations


@pytest.fixture
def panel():
    slicer.mrmlScene.Clear(0)
    panel = moduleWidget().panel
    panel.inputs.loadSample()
    yield panel
    slicer.mrmlScene.Clear(0)


def is_running() -> bool:
    return moduleWidget().logic.run.active


@pytest.fixture
def requirements(tmp_path, monkeypatch):
    """Replace the list of requirements and turn off testing mode, so that the user is asked."""
    file = tmp_path / "requirements.txt"
    monkeypatch.setattr(installation, "REQUIREMENTS", file)
    monkeypatch.setattr(slicer.app, "_testing", False)
    return lambda *lines: file.write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture
def slicers_python(tmp_path, monkeypatch):
    """Put a PythonSlicer on the path whose pip installs into a separate folder, and return that folder."""
    site, folder = tmp_path / "site", tmp_path / "bin"
    site.mkdir()
    folder.mkdir()
    script = folder / "PythonSlicer"
    script.write_text(f'#!/bin/sh\nPIP_TARGET="{site}" PIP_NO_INDEX=1 exec "{sys.executable}" "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.syspath_prepend(str(site))
    return site


def wheel(folder: Path, name: str, *needs: str) -> str:
    """Build a package that itself has requirements, and return a requirement for it."""
    file = folder / f"{name.replace('-', '_')}-1.0-py3-none-any.whl"
    info = f"{name.replace('-', '_')}-1.0.dist-info"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0", *(f"Requires-Dist: {need}" for need in needs)]
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{name.replace('-', '_')}.py", "")
        archive.writestr(f"{info}/METADATA", "\n".join(lines) + "\n")
        about = ["Wheel-Version: 1.0", "Generator: test", "Root-Is-Purelib: true", "Tag: py3-none-any"]
        archive.writestr(f"{info}/WHEEL", "\n".join(about) + "\n")
        archive.writestr(f"{info}/RECORD", "")
    return f"{name} @ {file.as_uri()}"


def answer(button, questions: list[str]):
    """Click a button of the next message box that appears, and record its text."""

    def press() -> None:
        box = qt.QApplication.activeModalWidget()
        if box is not None:
            timer.stop()
            questions.append(box.text)
            box.button(button).click()

    timer = qt.QTimer()
    timer.timeout.connect(press)
    timer.start(50)
    return timer


def generate_and(button, panel) -> list[str]:
    """Click Generate from the event loop, as a user would, answer the question, and return the questions asked."""
    questions, done = [], []
    answering = answer(button, questions)
    timer = qt.QTimer()
    timer.setSingleShot(True)
    timer.timeout.connect(lambda: (panel.ui.generateButton.click(), done.append(True)))
    timer.start(0)
    loop = qt.QEventLoop()  # with processEvents, a message box that deletes itself later would not stay alive
    ending = qt.QTimer()
    ending.timeout.connect(lambda: loop.quit() if done else None)
    ending.start(20)
    loop.exec()
    answering.stop()
    return questions


def test_nothing_is_asked_if_nothing_is_missing(panel):
    assert installation.missingPackages() == []
    installation.ensureInstalled()


def test_declining_the_installation_changes_nothing_and_shows_a_message(panel, requirements, slicers_python):
    requirements("reg2rg-no-such-package>=2")
    questions = generate_and(qt.QMessageBox.Cancel, panel)
    assert "reg2rg-no-such-package>=2" in questions[0]
    assert "PyTorch extension" in questions[0]
    assert "Nothing was installed" in panel.ui.messageLabel.text
    assert not is_running()
    assert list(slicers_python.iterdir()) == []


def test_a_failed_installation_is_reported_and_the_module_stays_usable(panel, requirements, slicers_python):
    requirements("reg2rg-no-such-package>=2")
    generate_and(qt.QMessageBox.Ok, panel)
    assert "Installation failed" in panel.ui.messageLabel.text
    assert panel.ui.generateButton.enabled
    requirements()
    panel.ui.generateButton.click()
    assert is_running()
    panel.sceneClosing()


def test_with_consent_the_packages_are_installed_and_the_run_starts(panel, requirements, slicers_python, tmp_path):
    requirements(wheel(tmp_path, "reg2rg-probe-good"))
    generate_and(qt.QMessageBox.Ok, panel)
    assert is_running(), panel.ui.messageLabel.text
    assert importlib.metadata.version("reg2rg-probe-good") == "1.0"
    panel.sceneClosing()


def test_a_package_that_would_change_slicers_own_packages_is_not_installed(
    panel, requirements, slicers_python, tmp_path
):
    numpy = importlib.metadata.version("numpy")
    requirements(wheel(tmp_path, "reg2rg-probe-bad", "numpy<1.0"))
    generate_and(qt.QMessageBox.Ok, panel)
    assert "Installation failed" in panel.ui.messageLabel.text
    assert importlib.metadata.version("numpy") == numpy
    assert list(slicers_python.iterdir()) == []


def test_slicers_own_packages_are_pinned_to_their_versions():
    assert f"numpy=={importlib.metadata.version('numpy')}" in installation._slicerVersions()


def test_in_testing_mode_nothing_is_installed(panel, requirements, monkeypatch):
    monkeypatch.setattr(slicer.app, "_testing", True)
    requirements("reg2rg-no-such-package>=2")
    panel.ui.generateButton.click()
    assert "testing mode" in panel.ui.messageLabel.text


def test_the_users_own_python_runs_the_engine_and_nothing_is_installed_into_it(panel, requirements):
    requirements("reg2rg-no-such-package>=2")
    locations.setOwnPython(sys.executable)
    try:
        assert installation.missingPackages() == []
        assert locations.enginePython() == sys.executable
        environment = locations.engineEnvironment()
        assert environment["PYTHONPATH"].split(":") == [str(locations.engineFolder())]
    finally:
        locations.setOwnPython("")


NOT_IN_SLICER = {
    *("torch", "torchvision", "torchgen", "functorch", "transformers", "peft", "accelerate", "monai", "matplotlib"),
    *("typer", "safetensors", "tokenizers", "sentencepiece", "google", "nltk", "nibabel", "pandas", "sklearn"),
    *("skimage", "totalsegmentator", "nnunetv2", "huggingface_hub"),
}
"""Import names of packages that the engine or its training uses and Slicer does not include."""


def without(packages: set[str], folder: Path) -> Path:
    """Return a folder with links to all installed packages except the given ones."""
    folder.mkdir()
    site = Path(importlib.metadata.distribution("numpy").locate_file(""))
    for entry in site.iterdir():
        name = entry.name.split("-")[0].split(".")[0].lower()
        if name not in packages and not entry.name.startswith(("_editable", "reg2rg")):
            (folder / entry.name).symlink_to(entry)
    return folder


def test_without_torch_the_module_loads_and_the_first_run_names_the_missing_packages(tmp_path, repository):
    site = without(NOT_IN_SLICER, tmp_path / "site")
    script = textwrap.dedent(
        f"""
        import json, sys
        sys.path[:0] = [{str(site)!r}, {str(repository / "Reg2RGExtension")!r}]
        from pathlib import Path
        from slicer_host import desktop, host
        host.start(testing=True)
        window = desktop.show_module(Path({str(repository / "Reg2RGModule")!r}))
        import slicer
        panel = slicer.modules.reg2rgmodule.widgetRepresentation().self().panel
        panel.inputs.loadSample()
        from Reg2RGModuleLib import installation
        missing = installation.missingPackages()
        panel.ui.generateButton.click()
        loaded = [name for name in ("torch", "transformers", "peft", "monai") if name in sys.modules]
        print(json.dumps([missing, panel.ui.messageLabel.text, installation.explanation(missing), loaded]))
        """
    )
    run = subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    missing, message, explanation, loaded = json.loads(run.stdout.splitlines()[-1])
    assert missing[:3] == ["torch", "transformers>=5.0,<6", "peft>=0.17"]
    assert "Packages are missing: torch, transformers" in message
    assert "PyTorch is installed by the PyTorch extension" in explanation
    assert loaded == []


def test_without_the_pytorch_extension_the_message_says_how_to_install_it():
    with pytest.raises(installation.InstallationError, match="Extensions Manager"):
        installation._installTorch()


class _PyTorchUtils(types.ModuleType):
    """Stands in for the PyTorch extension, which only Slicer has."""

    def __init__(self, outcome):
        super().__init__("PyTorchUtils")
        self.outcome = outcome

    def PyTorchUtilsLogic(self):
        return self

    def installTorch(self):
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


@pytest.mark.parametrize(
    ("outcome", "message"), [(None, "PyTorch was not installed"), (ValueError("no network"), "no network")]
)
def test_a_failed_installation_of_pytorch_is_reported(monkeypatch, outcome, message):
    monkeypatch.setitem(sys.modules, "PyTorchUtils", _PyTorchUtils(outcome))
    with pytest.raises(installation.InstallationError, match=message):
        installation._installTorch()


def test_pytorch_is_installed_by_its_extension(monkeypatch):
    monkeypatch.setitem(sys.modules, "PyTorchUtils", _PyTorchUtils(types.ModuleType("torch")))
    installation._installTorch()


def test_slicers_packaging_module_is_used_if_it_exists(monkeypatch):
    asked = []
    packaging = types.ModuleType("slicer.packaging")
    packaging.pip_install = lambda requirements, constraints=None, requester=None: asked.append(
        (requirements, Path(constraints).read_text().splitlines(), requester)
    )
    monkeypatch.setitem(sys.modules, "slicer.packaging", packaging)
    monkeypatch.setattr(slicer, "packaging", packaging, raising=False)
    installation._pipInstall(["peft>=0.17"])
    requirements, pins, requester = asked[0]
    assert (requirements, requester) == (["peft>=0.17"], "Reg2RG")
    assert f"numpy=={importlib.metadata.version('numpy')}" in pins


def test_the_requirements_are_those_of_the_python_package(repository):
    import tomllib

    declared = tomllib.loads((repository / "pyproject.toml").read_text())["project"]["dependencies"]
    slicer_packages = {name.lower() for name in installation.SLICER_PACKAGES}
    for_the_command_line = {"typer", "rich"}
    expected = [
        line
        for line in declared
        if line.split(">")[0].lower() not in slicer_packages | for_the_command_line | {"torch"}
    ]
    assert sorted(installation.requirements()) == sorted(expected)
