"""The commands of README and docs run as documented, in a folder with small inputs under the names that they use."""

from __future__ import annotations

import contextlib
import io
import re
import runpy
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import typer
from command_line import Run
from documentation import ROOT, Line, find_commands, inline_code, words
from documented_inputs import INPUTS
from learning_files import with_logit, write_tiny_model
from tiny_chest import tiny_chest

from reg2rg.api import generate_report
from reg2rg.cli.main import app
from reg2rg.phantom import PhantomConfig

PROGRAMS = (
    "accelerate", "apt-get", "cp", "docker", "make", "pip", "pytest", "python", "ray", "reg2rg", "tensorboard",
    "torchrun",
)  # fmt: skip

RUN_ELSEWHERE = {
    "docs/batch.md": "Testing/Python/test_batch.py",
    "docs/dicom.md": "Testing/Python/test_sending.py",
    "docs/review.md": "Testing/Python/test_formats.py",
    "docs/slicer.md": "Testing/Slicer/test_desktop.py",
}
"""Pages whose blocks of commands are run by another test."""

NOT_RUN = {
    r"make\b|pip |apt-get |python -m venv ": "installs packages; test_documentation.py checks targets and extras",
    r"docker ": "needs Docker; test_deployment.py checks the files that it names",
    r"torchrun\b|accelerate launch\b": "needs eight GPUs; test_training_processes.py",
    r"(python -m )?pytest ": "is a part of these tests",
    r"python Testing/(Benchmarks|Viewers)/(?!template_baseline)": "measures for minutes to hours",
    r"python -m reg2rg\.benchmark ": "measures the embedded model for hours and rewrites its card",
    r"python -m reg2rg\.planting\.contact_sheet ": "plants 22 findings into real CTs, in a minute",
    r"python -m reg2rg\.worker$": "waits for requests; test_worker.py",
    r"python docs/scripts/licenses\.py$": "rewrites a page after the installed packages",
    r"reg2rg drafts --orthanc ": "runs beside an Orthanc until it is stopped; test_drafts.py",
    r"reg2rg drafts --health ": "asks a service that runs; test_drafts.py",
    r"reg2rg desktop( CT)?$": "opens a window and waits for the user",
    r"reg2rg desktop --screenshot ": "takes long; test_desktop.py makes this picture in its own process",
    r"reg2rg segment .* WEIGHTS$": "needs TotalSegmentator's weights; test_totalsegmentator.py",
    r"reg2rg models add (NAME|reg2rg-llama2-7b --tokenizer \S+|smollm2-135m-instruct)$": "downloads; test_hub.py",
    r"reg2rg report .*\w\|\w": "lists alternatives; test_precision.py and test_backends.py",
    r"tensorboard |ray ": "starts a server",
}
"""Commands that are not run here, as regular expressions, and why. test_documentation.py checks their options."""

REPORT_FILES = "report.json report.txt regions.seg.nrrd structures.seg.nrrd preview.png"
MODEL_FILES = "config.json model.safetensors MODEL_CARD.md SHA256SUMS"
TABLES = "metrics.json clinical.csv contradictions.csv diversity.csv dropped.csv location.csv nlg.csv rare_findings.csv"
EVALUATION_FILES = f"evaluation.html evaluation.md lengths.png labels.png collapse.png {TABLES}"
WRITTEN = {
    "report": ("docs/quickstart.md", REPORT_FILES),
    "report --prior": ("docs/quickstart.md", f"{REPORT_FILES} prior_transform.tfm"),
    "demo": ("docs/quickstart.md", REPORT_FILES),
    "measure": (
        "docs/evidence.md",
        "measurements.json measurements.csv measurements.png structures.seg.nrrd regions.seg.nrrd",
    ),
    "batch": ("docs/batch.md", "summary.html index.csv cases"),
    "evaluate": ("docs/evaluation.md", EVALUATION_FILES),
    "evaluate --compare": ("docs/evaluation.md", f"{EVALUATION_FILES} comparison.csv"),
    "train": ("docs/training.md", "config.json model losses.png data.txt tokenizer cache"),
    "train Resources/Training/published.yaml": ("docs/training.md", "config.json model losses.png data.txt cache"),
    "shards": ("docs/training.md", "index.json"),
    "learn": ("docs/models.md", MODEL_FILES),
    "models new": ("docs/models.md", MODEL_FILES),
    "models import --tokenizer": ("docs/models.md", MODEL_FILES),
    "models add --from --tokenizer": ("docs/models.md", MODEL_FILES),
    "models add --from": ("docs/models.md", "MODEL_CARD.md SHA256SUMS"),
}
"""Words of a command, the page that says what such commands write, and the files in their output folder."""


UNNAMED = re.compile(r"tokenizer\w*\.json|\d-\w+|(training|validation)-\d+\.tar|Small\.gguf")
"""Files that pages describe without their names."""


def named_files(page: str) -> set[str]:
    """Return the names of files and folders on a page, and other inline code."""
    return {code.partition("/")[0] for code in inline_code(page)}


def is_complete(line: Line) -> bool:
    """Return whether a command has all of its arguments; inline code often lacks some."""
    program, *arguments = words(line.text)
    if line.complete or program != "reg2rg" or not arguments:
        return line.complete or bool(arguments)
    command = typer.main.get_command(app)
    while arguments and arguments[0] in getattr(command, "commands", {}):
        command = command.commands[arguments.pop(0)]
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            command.make_context("reg2rg", arguments)
    except typer.BadParameter.__base__:
        return False
    except typer.Exit:  # --help
        pass
    return True


def inputs(line: Line) -> dict[str, str]:
    """Return the words of a command that stand for an input, each with its name in INPUTS."""
    found = words(line.text)
    pairs = [(word, f"{before} {word}") for before, word in zip(found, found[1:], strict=False)]
    return {word: pair if pair in INPUTS else word for word, pair in pairs if pair in INPUTS or word in INPUTS}


def output(line: Line) -> str | None:
    """Return the file or folder that a command is told to write."""
    found = words(line.text)
    if "-o" in found:
        return found[found.index("-o") + 1]
    return None if found[0] == "reg2rg" else found[-1]


def meaning(line: Line) -> tuple[object, ...]:
    """Return what a command does: commands that differ only in names of equal inputs, or of the output, do the same."""
    names = inputs(line)
    found = (INPUTS[names[word]] if word in names else word for word in words(line.text))
    return tuple("OUTPUT" if word == output(line) else word for word in found)


COMMANDS = [line for line in find_commands(*PROGRAMS) if is_complete(line)]
RUN_HERE = {
    meaning(line): line
    for line in COMMANDS
    if not any(re.match(command, line.text) for command in NOT_RUN)
    and not (line.complete and line.page in RUN_ELSEWHERE)
}


def test_the_lists_of_this_file_name_nothing_that_the_pages_lack() -> None:
    assert [command for command in NOT_RUN if not any(re.match(command, line.text) for line in COMMANDS)] == []
    assert INPUTS.keys() - {name for line in COMMANDS for name in inputs(line).values()} == set()
    for page, test in RUN_ELSEWHERE.items():
        assert Path(page).name in (ROOT / test).read_text(encoding="utf-8")


@pytest.mark.parametrize(("page", "files"), WRITTEN.values(), ids=WRITTEN)
def test_the_page_of_a_command_names_the_files_that_it_writes(page: str, files: str) -> None:
    assert set(files.split()) - named_files(page) == set()


@pytest.fixture(scope="module")
def resources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a tiny model under the name of the embedded one. It detects nodules everywhere."""
    folder = tmp_path_factory.mktemp("resources")
    write_tiny_model(folder / "Models" / "phantom", with_logit(3.0))
    return folder


@pytest.fixture(scope="module")
def draft(resources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a report folder."""
    folder = tmp_path_factory.mktemp("draft") / "report"
    generate_report(tiny_chest(), folder, model=str(resources / "Models" / "phantom"), progress=False)
    return folder


@pytest.fixture
def checkout(resources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, which is empty. Models and phantoms are tiny, and no processes are started."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("REG2RG_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr("reg2rg.hub.registry.resources_folder", lambda: resources)
    for module in ("reg2rg.phantom.case", "reg2rg.training.datasets"):
        monkeypatch.setattr(f"{module}.PhantomConfig", partial(PhantomConfig, size=(48, 48, 32)))
    monkeypatch.setattr("reg2rg.batch.read_ahead.default_jobs", lambda: 0)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))  # confirms what a command asks
    return folder


def run_python(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a script, or a module after `-m`, in this process."""
    is_module = arguments[0] == "-m"
    program, *options = arguments[is_module:]
    monkeypatch.setattr(sys, "argv", [program, *options])
    (runpy.run_module if is_module else runpy.run_path)(program, run_name="__main__")


@pytest.mark.slow
@pytest.mark.parametrize("line", RUN_HERE.values(), ids=lambda line: line.text)
def test_commands_run_as_documented(
    line: Line,
    checkout: Path,
    reg2rg: Run,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for word, name in inputs(line).items():
        (checkout / word).parent.mkdir(parents=True, exist_ok=True)
        INPUTS[name](checkout / word, request.getfixturevalue)
    program, *arguments = words(line.text)
    written = output(line)
    if program == "reg2rg":
        finished = reg2rg(*arguments)
        assert finished.returncode == 0, finished.stderr
        written = written or finished.stdout.splitlines()[-1].strip()
    elif program == "python":
        run_python(arguments, monkeypatch)
    elif shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    else:
        subprocess.run([program, *arguments], check=True)
    kinds = [kind for kind in WRITTEN if set(kind.split()) <= set(arguments) and "--help" not in arguments]
    if kinds:
        page, files = WRITTEN[max(kinds, key=len)]
        names = {path.name for path in Path(written).iterdir()}
        assert set(files.split()) - names == set()
        assert {name for name in names - named_files(page) if not UNNAMED.fullmatch(name)} == set(), page
    elif output(line):
        assert Path(written).exists()
