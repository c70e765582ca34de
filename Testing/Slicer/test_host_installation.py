"""The module without the packages that Slicer lacks. test_installation.py, which runs in Slicer, tests the rest."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
import textwrap
from pathlib import Path

from Reg2RGModuleLib import installation

NOT_IN_SLICER = {
    *("torch", "torchvision", "torchgen", "functorch", "transformers", "peft", "accelerate", "monai", "matplotlib"),
    *("typer", "safetensors", "tokenizers", "sentencepiece", "google", "nltk", "nibabel", "pandas", "sklearn"),
    *("skimage", "totalsegmentator", "nnunetv2", "huggingface_hub"),
}
"""Import names of packages that the engine or its training uses and Slicer does not include."""


def without(packages: set[str], folder: Path) -> Path:
    """Return a folder with links to all installed packages except some."""
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


def test_the_requirements_are_those_of_the_python_package(repository):
    import tomllib

    declared = tomllib.loads((repository / "pyproject.toml").read_text())["project"]["dependencies"]
    slicer_packages = {name.lower() for name in installation.SLICER_PACKAGES}
    # The module passes no DICOM files to the engine, and runs no batches, whose summary is made from a template.
    for_the_command_line = {"typer", "rich", "highdicom", "jinja2"}
    expected = [
        line
        for line in declared
        if line.split(">")[0].lower() not in slicer_packages | for_the_command_line | {"torch"}
    ]
    assert sorted(installation.requirements()) == sorted(expected)
