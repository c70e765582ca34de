"""The first run: what is missing is said, asked for, and installed without touching Slicer's own packages."""

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


@pytest.fixture
def requirements(tmp_path, monkeypatch):
    """Replaces the list of requirements; no testing mode, so that users are asked for real."""
    file = tmp_path / "requirements.txt"
    monkeypatch.setattr(installation, "REQUIREMENTS", file)
    monkeypatch.setattr(slicer.app, "_testing", False)
    return lambda *lines: file.write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture
def slicers_python(tmp_path, monkeypatch):
    """A PythonSlicer on the path whose pip installs into a folder of its own; returns that folder."""
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
    """A requirement that names a package made here, which needs others."""
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


def answer(button, seen: list[str]):
    """Press a button of the next message box that appears, and note what it says."""

    def press() -> None:
        box = qt.QApplication.activeModalWidget()
        if box is not None:
            timer.stop()
            seen.append(box.text)
            box.button(button).click()

    timer = qt.QTimer()
    timer.timeout.connect(press)
    timer.start(50)
    return timer


def generate_and(button, panel) -> list[str]:
    """Click "Generate report" from the event loop, as a user does, and answer the question; returns what it said."""
    seen, done = [], []
    answering = answer(button, seen)
    timer = qt.QTimer()
    timer.setSingleShot(True)
    timer.timeout.connect(lambda: (panel.ui.generateButton.click(), done.append(True)))
    timer.start(0)
    loop = qt.QEventLoop()  # a real one: a message box that deletes itself later would not outlive processEvents
    ending = qt.QTimer()
    ending.timeout.connect(lambda: loop.quit() if done else None)
    ending.start(20)
    loop.exec()
    answering.stop()
    return seen


def test_where_nothing_is_missing_nobody_is_asked(panel):
    assert installation.missingPackages() == []
    installation.ensureInstalled()


def test_a_refused_installation_leaves_all_as_it_was_with_a_message(panel, requirements, slicers_python):
    requirements("reg2rg-no-such-package>=2")
    seen = generate_and(qt.QMessageBox.Cancel, panel)
    assert "reg2rg-no-such-package>=2" in seen[0]
    assert "PyTorch extension" in seen[0]
    assert "Nothing was installed" in panel.ui.messageLabel.text
    assert not panel.run.active
    assert list(slicers_python.iterdir()) == []


def test_a_failed_installation_is_reported_and_the_module_stays_usable(panel, requirements, slicers_python):
    requirements("reg2rg-no-such-package>=2")
    generate_and(qt.QMessageBox.Ok, panel)
    assert "Installation failed" in panel.ui.messageLabel.text
    assert panel.ui.generateButton.enabled
    requirements()
    panel.ui.generateButton.click()
    assert panel.run.active
    panel.sceneClosing()


def test_what_the_user_agrees_to_is_installed_and_the_run_begins(panel, requirements, slicers_python, tmp_path):
    requirements(wheel(tmp_path, "reg2rg-probe-good"))
    generate_and(qt.QMessageBox.Ok, panel)
    assert panel.run.active, panel.ui.messageLabel.text
    assert importlib.metadata.version("reg2rg-probe-good") == "1.0"
    panel.sceneClosing()


def test_a_package_that_would_change_slicers_own_is_not_installed(panel, requirements, slicers_python, tmp_path):
    numpy = importlib.metadata.version("numpy")
    requirements(wheel(tmp_path, "reg2rg-probe-bad", "numpy<1.0"))
    generate_and(qt.QMessageBox.Ok, panel)
    assert "Installation failed" in panel.ui.messageLabel.text
    assert importlib.metadata.version("numpy") == numpy
    assert list(slicers_python.iterdir()) == []


def test_slicers_own_packages_are_pinned_to_what_they_are():
    assert f"numpy=={importlib.metadata.version('numpy')}" in installation._ownVersions()


def test_in_testing_mode_nothing_is_installed(panel, requirements, monkeypatch):
    monkeypatch.setattr(slicer.app, "_testing", True)
    requirements("reg2rg-no-such-package>=2")
    panel.ui.generateButton.click()
    assert "testing mode" in panel.ui.messageLabel.text


def test_a_python_of_the_users_own_is_not_installed_into_but_runs_the_engine(panel, requirements):
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
"""Import names of what the engine or its training uses and Slicer does not bring."""


def without(packages: set[str], folder: Path) -> Path:
    """A folder that has all installed packages but some, as links."""
    folder.mkdir()
    site = Path(importlib.metadata.distribution("numpy").locate_file(""))
    for entry in site.iterdir():
        name = entry.name.split("-")[0].split(".")[0].lower()
        if name not in packages and not entry.name.startswith(("_editable", "reg2rg")):
            (folder / entry.name).symlink_to(entry)
    return folder


def test_without_torch_the_module_loads_and_the_first_run_explains_what_is_missing(tmp_path, repository):
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
    assert "Not installed: torch, transformers" in message
    assert "PyTorch comes through the PyTorch extension" in explanation
    assert loaded == []


def test_without_the_pytorch_extension_the_user_is_told_to_get_it():
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
    ("outcome", "said"), [(None, "PyTorch was not installed"), (ValueError("no network"), "no network")]
)
def test_an_installation_of_pytorch_that_fails_or_is_refused_is_said(monkeypatch, outcome, said):
    monkeypatch.setitem(sys.modules, "PyTorchUtils", _PyTorchUtils(outcome))
    with pytest.raises(installation.InstallationError, match=said):
        installation._installTorch()


def test_pytorch_comes_through_its_extension(monkeypatch):
    monkeypatch.setitem(sys.modules, "PyTorchUtils", _PyTorchUtils(types.ModuleType("torch")))
    installation._installTorch()


def test_slicers_packaging_is_used_where_it_is_present(monkeypatch):
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


def test_the_engines_requirements_are_those_of_the_package(repository):
    import tomllib

    declared = tomllib.loads((repository / "pyproject.toml").read_text())["project"]["dependencies"]
    of_slicer = {name.lower() for name in installation.SLICERS_OWN}
    for_the_command_line = {"typer", "rich"}
    expected = [
        line for line in declared if line.split(">")[0].lower() not in of_slicer | for_the_command_line | {"torch"}
    ]
    assert sorted(installation.requirements()) == sorted(expected)
