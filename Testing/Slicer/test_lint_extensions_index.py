"""Lint of the entry for Slicer's ExtensionsIndex."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
from lint_sources import REPOSITORY, read

INDEX = REPOSITORY / "Resources" / "ExtensionsIndex"
INDEX_FIELDS = {
    "$schema": str,
    "category": str,
    "scm_url": str,
    "scm_revision": str,
    "scm_type": str,
    "build_dependencies": list,
    "build_subdirectory": str,
    "enabled": bool,
    "tier": int,
}
SCHEMA = (
    "https://raw.githubusercontent.com/Slicer/Slicer/main/Schemas/slicer-extension-catalog-entry-schema-v1.0.1.json#"
)
CATEGORIES = {"Segmentation", "Quantification", "Filtering", "Informatics", "Utilities", "Registration", "Examples"}


def index_problems(text: str, name: str, project: str) -> list[str]:
    """Return problems for which the checks of Slicer's ExtensionsIndex would refuse an entry."""
    entry = json.loads(text)
    problems = [f"{field} is missing" for field in ("$schema", "category", "scm_url") if field not in entry]
    problems += [f"{field} is not a known field" for field in entry if field not in INDEX_FIELDS]
    known = [field for field in entry if field in INDEX_FIELDS]
    problems += [f"{field} has the wrong type" for field in known if type(entry[field]) is not INDEX_FIELDS[field]]
    problems += ["the schema is not the current one"] * (entry.get("$schema") != SCHEMA)
    problems += ["unknown category"] * (entry.get("category") not in CATEGORIES)
    problems += ["tier is not from 1 to 5"] * (entry.get("tier", 1) not in range(1, 6))
    if not re.fullmatch(r"(https|git)://.+/Slicer\w+(\.git)?", entry.get("scm_url", "")):
        problems.append("scm_url is not the https or git address of a repository whose name begins with Slicer")
    problems += ["the name begins with Slicer"] * name.startswith("Slicer")
    problems += [f"project() is {project}, not {name}"] * (project != name)
    return problems


def test_the_entry_in_the_extensions_index_passes_its_checks():
    project = re.search(r"^project\((\w+)", read(REPOSITORY / "CMakeLists.txt"), re.MULTILINE)
    assert project is not None
    assert index_problems(read(INDEX / "Reg2RG.json"), "Reg2RG", project[1]) == []
    assert b"\r" not in (INDEX / "Reg2RG.json").read_bytes()
    assert (REPOSITORY / "LICENSE").is_file()


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("scm_url", "http://x.org/SlicerReg2RG.git", "scm_url is not"),
        ("scm_url", "https://x.org/Reg2RG.git", "scm_url is not"),
        ("category", "Radiology", "unknown category"),
        ("tier", 7, "tier is not"),
        ("depends", "PyTorch", "depends is not a known field"),
        ("build_dependencies", "PyTorch", "build_dependencies has the wrong type"),
    ],
)
def test_an_invalid_entry_is_caught(field, value, problem):
    entry = {**json.loads(read(INDEX / "Reg2RG.json")), field: value}
    found = index_problems(json.dumps(entry), "Reg2RG", "Reg2RG")
    assert any(sentence.startswith(problem) for sentence in found)


MAX_CLONE_BYTES = 100_000_000
"""Slicer asks for repositories that are smaller. The index clones the branch that the entry names, with its history."""


def test_a_clone_with_its_history_is_small_enough_for_the_index():
    def git(*arguments, **options):
        return subprocess.run(["git", "-C", str(REPOSITORY), *arguments], capture_output=True, **options)

    if git("rev-parse", "--git-dir").returncode != 0:
        pytest.skip("this is not a git checkout")
    # What is on the disk depends on how well git has packed it; a clone is always packed.
    objects = git("rev-list", "--objects", "HEAD").stdout
    assert 1_000_000 < len(git("pack-objects", "--stdout", "-q", input=objects).stdout) < MAX_CLONE_BYTES


def test_the_name_of_an_extension_must_not_begin_with_slicer():
    text = read(INDEX / "Reg2RG.json")
    assert index_problems(text, "SlicerReg2RG", "SlicerReg2RG") == ["the name begins with Slicer"]
