"""The documentation is accurate: its commands parse, its files exist, and its examples run."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer
from documentation import FENCE, PAGES, ROOT, Line, commands, inline_code, lines, read, words

from reg2rg import __version__
from reg2rg.cli.main import app
from reg2rg.cli.options import request_command
from reg2rg.pipeline.request import ReportRequest, SegmentRequest

LINK = re.compile(r"\]\((?P<target>[^)\s#:]+)(?:#[^)\s]*)?\)")
NOT_RUN = "<!-- not run:"
"""A comment that begins like this, right before a Python block, states why the tests cannot run it."""


# --- commands --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", commands("reg2rg"))
def test_commands_of_reg2rg_exist_with_their_options(line: Line) -> None:
    command, arguments = typer.main.get_command(app), words(line.text)[1:]
    while arguments and arguments[0] in getattr(command, "commands", {}):
        command = command.commands[arguments.pop(0)]
    options = {option for parameter in command.params for option in parameter.opts} | {"-h", "--help"}
    assert {word for word in arguments if re.match(r"--?[a-z]", word)} <= options
    if line.complete and "--help" not in arguments:
        command.make_context("reg2rg", arguments)


RUNS = [each for each in commands("reg2rg report", "reg2rg segment") if each.values[0].complete]


@pytest.mark.parametrize("line", RUNS)
def test_commands_that_report_or_segment_are_valid_requests(line: Line) -> None:
    requests: list[Any] = []

    def record(request: Any) -> None:
        """Keep the request."""
        requests.append(request)

    recorder = typer.Typer()
    recorder.command("report")(request_command(ReportRequest, record))
    recorder.command("segment")(request_command(SegmentRequest, record))
    typer.main.get_command(recorder)(words(line.text)[1:], standalone_mode=False)
    assert len(requests) == 1


@pytest.mark.parametrize("line", commands("python", "pytest"))
def test_scripts_modules_and_tests_exist_with_their_options(line: Line) -> None:
    program, *arguments = words(line.text)
    if program == "python" and arguments[0] == "-m" and arguments[1].startswith("reg2rg"):
        spec = find_spec(arguments[1])
        assert spec is not None
        files = [Path(spec.origin)] if not spec.submodule_search_locations else []
        files += [ROOT / "Reg2RGExtension" / arguments[1].replace(".", "/") / "__main__.py"] if not files else []
    else:
        files = [ROOT / word for word in arguments if re.match(r"(Testing|docs)/", word)]
    assert all(file.is_file() for file in files)
    if program == "python" and files:
        source = files[0].read_text(encoding="utf-8")
        assert all(f'"{option}"' in source for option in arguments if option.startswith("--"))


@pytest.mark.parametrize("line", commands("make"))
def test_make_targets_and_variables_exist(line: Line) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for word in words(line.text)[1:]:
        name, is_variable, _ = word.partition("=")
        assert f"$({name})" in makefile if is_variable else re.search(rf"^{name}:", makefile, re.MULTILINE)


# --- links and files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page: str) -> None:
    targets = [match["target"] for match in LINK.finditer(FENCE.sub("", read(page)))]
    assert [target for target in targets if not (ROOT / page).parent.joinpath(target).exists()] == []


FOLDERS = tuple(ROOT / place for place in ("", "Reg2RGExtension", "Reg2RGExtension/reg2rg", "Testing/Python", "docs"))
"""Folders to which paths in the text may be relative."""
PATH = re.compile(r"[\w.]+(/[\w.-]+)+\.(py|md|yaml|yml|tsv|png|txt|json)|test_\w+\.py")
OUTPUT = re.compile(r"(out|model|radgenome_files|train_\w+|release)/")
"""Paths of files that a command writes or that the reader provides."""


@pytest.mark.parametrize("page", PAGES)
def test_files_that_the_text_names_exist(page: str) -> None:
    named = {code for code in inline_code(page) if PATH.fullmatch(code)}
    missing = [path for path in named if not any((folder / path).exists() for folder in FOLDERS)]
    assert [path for path in missing if not OUTPUT.match(path)] == []


# --- examples --------------------------------------------------------------------------------------------------------


def python_blocks(page: str) -> list[str]:
    text = read(page)
    found = []
    for block in FENCE.finditer(text):
        before = text[: block.start()].rstrip().rpartition("\n")[2]
        if block["language"] == "python" and not before.startswith(NOT_RUN):
            found.append(block["code"])
    return found


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if page != "README.md" and python_blocks(page)])
def test_python_examples_run_as_written(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {}
    for number, block in enumerate(python_blocks(page)):
        exec(compile(block, f"{page}, block {number}", "exec"), namespace)


@pytest.mark.slow
def test_the_five_lines_of_the_readme_print_the_report_of_the_sample_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = python_blocks("README.md")
    assert len([line for line in block.splitlines() if line]) == 5
    monkeypatch.chdir(tmp_path)
    exec(block, {})
    printed = capsys.readouterr().out
    assert "nodule" in printed and "not reviewed" in printed


# --- metadata --------------------------------------------------------------------------------------------------------


def test_the_readme_is_short() -> None:
    assert len(read("README.md").splitlines()) <= 150


def test_the_citation_has_the_current_version() -> None:
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    tomllib = pytest.importorskip("tomllib", reason="tomllib is new in Python 3.11")
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_card_names_the_findings_that_drafts_of_cts_may_state() -> None:
    folder = ROOT / "Resources" / "Models" / "phantom"
    supported = json.loads((folder / "config.json").read_text())["findings"]["supported"]["CTs"]
    named = re.search(r"Four findings meet this: (.*?)\.", " ".join((folder / "MODEL_CARD.md").read_text().split()))
    assert named is not None and named[1].split(", ") == [label.lower() for label in supported]


def test_all_direct_dependencies_are_on_the_license_page(pyproject: dict[str, Any]) -> None:
    project = pyproject["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    requirements = [requirement for group in groups for requirement in group]
    names = {re.match(r"[\w.-]+", requirement)[0] for requirement in requirements}
    listed = set(re.findall(r"^\| ([\w.-]+) \|", read("docs/licenses.md"), re.MULTILINE))
    assert names - listed == set(), "run python docs/scripts/licenses.py"


def test_the_architecture_page_has_the_import_order_that_is_checked(pyproject: dict[str, Any]) -> None:
    contracts = pyproject["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    expected = [sorted(re.findall(r"reg2rg\.(\w+)", layer)) for layer in layers]
    table = read("docs/architecture.md").split("## Packages of the engine")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
    assert [sorted(re.findall(r"`(\w+)`", row)) for row in rows] == expected


def test_every_workflow_is_yaml_with_jobs() -> None:
    yaml = pytest.importorskip("yaml")
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    assert {path.stem for path in workflows} >= {"lint", "test", "docs", "extensions-index"}
    assert all(yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"] for path in workflows)


def test_extras_are_quoted_because_zsh_expands_brackets() -> None:
    unquoted = re.compile(r"pip install(?!.*'[^']*\[\w).*\[\w")
    assert not [f"{line.page}: {line.text}" for line in lines() if unquoted.search(line.text)]


def test_extras_that_the_text_names_exist(pyproject: dict[str, Any]) -> None:
    groups = [group for line in lines() for group in re.findall(r"pip install .*(?:\.|reg2rg)\[([\w,]+)\]", line.text)]
    named = {extra for group in groups for extra in group.split(",")}
    assert named and named <= pyproject["project"]["optional-dependencies"].keys()
