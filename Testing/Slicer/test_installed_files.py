"""The installed extension contains what is needed to write a report, and nothing for training or evaluation only."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tarfile
import textwrap
from pathlib import Path

import pytest
from installed import MODULES, configure, files_in, install, package

REPOSITORY = Path(__file__).resolve().parents[2]
MODULE = REPOSITORY / "Reg2RGModule"
ENGINE = REPOSITORY / "Reg2RGExtension" / "reg2rg"
RESOURCES = REPOSITORY / "Resources"
LEFT_OUT = {"batch", "benchmark", "drafts", "evaluation", "learning", "phantom", "planting", "training"}
"""Packages of the engine that are not installed into Slicer."""


@pytest.fixture(scope="module")
def extension(tmp_path_factory) -> Path:
    """Install the extension; return the folder of the module."""
    folder = tmp_path_factory.mktemp("extension")
    return install(configure(MODULE, folder), folder / "prefix")


def source_files(folder: Path) -> set[str]:
    """Return the files below a folder of the repository, except compiled Python files."""
    return {name for name in files_in(folder) if "__pycache__" not in name.split("/")}


def test_every_file_of_the_module_is_installed(extension):
    expected = source_files(MODULE) - {"CMakeLists.txt"}
    engine = {name for name in files_in(extension) if name.startswith("Reg2RGExtension/")}
    assert set(files_in(extension)) - engine == expected


def test_every_file_of_the_engine_that_a_report_may_need_is_installed(extension):
    installed = {name for name in files_in(extension / "Reg2RGExtension" / "reg2rg") if not is_resource(name)}
    assert installed == {name for name in source_files(ENGINE) if name.split("/")[0] not in LEFT_OUT}


def test_the_embedded_model_and_the_sample_case_are_installed(extension):
    installed = {name for name in files_in(extension / "Reg2RGExtension" / "reg2rg") if is_resource(name)}
    folders = ("Models/phantom", "Sample")
    assert installed == {f"Resources/{folder}/{name}" for folder in folders for name in files_in(RESOURCES / folder)}


def is_resource(name: str) -> bool:
    return name.startswith("Resources/")


def test_only_the_module_and_the_engine_are_installed(extension):
    assert {path.name for path in extension.iterdir()} == {
        "Reg2RGModule.py",
        "Reg2RGModuleLib",
        "Resources",
        "Reg2RGExtension",
    }
    assert [path.name for path in (extension / "Reg2RGExtension").iterdir()] == ["reg2rg"]


def test_the_next_build_notices_files_that_were_added_or_removed(tmp_path):
    module, engine = tmp_path / "Reg2RGModule", tmp_path / "Reg2RGExtension" / "reg2rg"
    (module / "Reg2RGModuleLib").mkdir(parents=True)
    (engine / "training").mkdir(parents=True)
    (module / "CMakeLists.txt").write_text((MODULE / "CMakeLists.txt").read_text(encoding="utf-8"), encoding="utf-8")
    for file in (module / "Reg2RGModule.py", module / "Reg2RGModuleLib" / "old.py", engine / "old.py"):
        file.touch()
    build = configure(module, tmp_path)
    install(build, tmp_path / "first")
    for file in (module / "Reg2RGModuleLib" / "new.py", engine / "new.py", engine / "training" / "new.py"):
        file.touch()
    (engine / "old.py").unlink()
    assert files_in(install(build, tmp_path / "second")) == [
        "Reg2RGExtension/reg2rg/new.py",
        "Reg2RGModule.py",
        "Reg2RGModuleLib/new.py",
        "Reg2RGModuleLib/old.py",
    ]


# --- what the module and the worker import -----------------------------------------------------------------------


def imported_names(file: Path) -> set[str]:
    """Return the dotted names of the engine that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name for name in names if name.split(".")[0] == "reg2rg"}


def file_of(name: str) -> Path | None:
    """Return the file of a dotted name of the engine, or None if the name is not a module."""
    path = ENGINE.joinpath(*name.split(".")[1:])
    candidates = (path / "__init__.py", path.with_suffix(".py"))
    return next((file for file in candidates if file.is_file()), None)


def imported_files(starts: list[Path]) -> set[Path]:
    """Return the files of the engine that these files import, directly or indirectly, and their packages."""
    found: set[Path] = set()
    waiting = list(starts)
    while waiting:
        for name in imported_names(waiting.pop()):
            parts = name.split(".")
            for end in range(1, len(parts) + 1):
                file = file_of(".".join(parts[:end]))
                if file is not None and file not in found:
                    found.add(file)
                    waiting.append(file)
    return found


def test_what_the_module_and_the_worker_import_is_installed(extension):
    worker = ENGINE / "worker.py"
    starts = [MODULE / "Reg2RGModule.py", *(MODULE / "Reg2RGModuleLib").rglob("*.py"), worker]
    needed = {file.relative_to(ENGINE.parent).as_posix() for file in (*imported_files(starts), worker)}
    assert "reg2rg/pipeline/run.py" in needed and "reg2rg/models/reg2rg.py" in needed
    assert needed - set(files_in(extension / "Reg2RGExtension")) == set()


# --- the installed files at work ---------------------------------------------------------------------------------


def run_installed(extension: Path, script: str, folder: Path) -> list[str]:
    """Run a script that finds the installed engine before any other, and return the lines it printed."""
    environment = {**os.environ, "PYTHONPATH": str(extension / "Reg2RGExtension")}
    script = textwrap.dedent(script)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, cwd=folder, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_installed_engine_writes_a_report_from_the_command_line(extension, tmp_path):
    lines = run_installed(
        extension,
        """
        import sys
        import reg2rg
        from reg2rg.cli.main import main
        from reg2rg.runtime.resources import sample_case

        print(reg2rg.__file__)
        volume, regions = map(str, sample_case())
        sys.argv = ["reg2rg", "report", volume, "--regions", regions, "--output", "report", "--device", "cpu"]
        main()
        """,
        tmp_path,
    )
    assert Path(lines[0]).is_relative_to(extension)
    assert len(json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))["sections"]) == 10


def test_the_installed_module_writes_a_report_in_its_panel(extension, tmp_path):
    lines = run_installed(
        extension,
        f"""
        import sys
        from pathlib import Path

        import reg2rg

        sys.path.append({str(REPOSITORY / "Reg2RGExtension")!r})  # for the host, which is not installed
        from slicer_host import host

        host.start(testing=True)
        widget = host.load_module(Path({str(extension / "Reg2RGModule.py")!r})).widgetRepresentation().self()
        widget.panel.inputs.loadSample()
        node = widget.logic.generateReportAndWait(widget.panel.inputs.volume)
        print(reg2rg.__file__)
        print(len(widget.panel.sections.regions), widget.panel.ui.reviewedLabel.text)
        host.end()
        """,
        tmp_path,
    )
    assert Path(lines[0]).is_relative_to(extension)
    assert lines[1] == "10 0 of 10 reviewed"


def test_the_extension_is_packaged_without_its_tests(tmp_path, extension):
    with tarfile.open(package(REPOSITORY, tmp_path)) as archive:
        packaged = {
            name.partition(f"{MODULES}/")[2] for name in archive.getnames() if not archive.getmember(name).isdir()
        }
    assert packaged == set(files_in(extension))
