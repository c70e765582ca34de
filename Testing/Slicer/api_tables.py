"""Tables of the names that Slicer, Qt and CTK have in each version of Slicer.

The tables are not part of the repository. Tests that need them are skipped where they are absent.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest
from lint_sources import REPOSITORY, VERSIONS, read

FOLDER = REPOSITORY.parent / "shared" / "reference" / "slicer_api"
RUNTIME_NAMES = ("slicer.app", "slicer.mrmlScene", "slicer.modules", "slicer.moduleNames")
"""Set when the application starts. Except for slicer.app, the tables do not cover what lies behind them."""

GONE_NAMES = {
    *("QRegExp", "QRegExpValidator", "QDesktopWidget", "QTextCodec", "QMatrix", "QSound"),
    *("Qt.MidButton", "Qt.TextColorRole", "Qt.BackgroundColorRole", "QPalette.Background", "QPalette.Foreground"),
    *("QApplication.desktop", "QFont.ForceIntegerMetrics"),
}
"""Names of Qt 5 that Slicer 5.10 has, but Qt 6, which Slicer uses since 5.12, does not."""
GONE_SIGNALS = {
    *("activated(QString)", "currentIndexChanged(QString)", "highlighted(QString)", "valueChanged(QString)"),
    *("buttonClicked(int)", "mapped(int)", "mapped(QString)", "error(QProcess::ProcessError)"),
}
"""Signals of Qt 5 that Qt 6 does not have."""


def version_number(version: str) -> tuple[int, ...]:
    """Return a version as a tuple of numbers that can be compared."""
    return tuple(map(int, version.split(".")))


class ApiTables:
    """Tables of the names of Slicer, Qt and CTK, as seen from Python."""

    def __init__(self, folder: Path) -> None:
        self._qt, self._ctk, self._python, widgets = (
            json.loads(read(folder / name))
            for name in ("qt_api.json", "ctk_api.json", "slicer_python.json", "slicer_widgets.json")
        )
        self._widgets = widgets["classes"]
        self._of_every_object = widgets["_meta"]["methods_of_every_qobject"]["names"]
        kits = self._python["_meta"]["runtime_names_of_slicer"]["vtk_classes"]
        self._vtk = {}
        for entries in kits.values():
            for entry in entries:
                name, *marks = entry.split()
                self._vtk.setdefault(name, []).append(marks)

    @functools.cache  # noqa: B019
    def members(self, name: str, version: str = VERSIONS[0]) -> dict[str, str]:
        """Return the members of a class and its bases.

        Returns:
            Name -> "property", "constant" (a read-only property) or "method"; empty if the class is unknown.
        """
        found, known = {}, False
        for table in (self._qt, self._ctk):
            record = table.get(name)
            if record is None:
                continue
            known = True
            for kind in ("enumvals", "enums", "nested", "signals", "statics", "methods"):
                found.update(dict.fromkeys(record.get(kind, ()), "method"))
            for key, description in record.get("props", {}).items():
                writable = description.split()[1:2] == ["rw"] or "field-rw" in description
                found[key] = "property" if writable else "constant"
            found = {**self._of_bases(record["bases"], version), **found}
            found.update(dict.fromkeys(table["_module"]["always"], "method"))
            if record.get("qobject"):
                found.update({**dict.fromkeys(self._of_every_object, "method"), "name": "property"})
        record = self._widgets.get(name)
        if record is not None and self._had(record.get("class_since"), version):
            own = {}
            since = record.get("since", {})
            for kind, mark in (("sig", "sig:"), ("slot", "m:"), ("inv", "m:"), ("deco", "m:"), ("static", "m:")):
                own.update({key: "method" for key in record.get(kind, ()) if self._had(since.get(mark + key), version)})
            for kind, values in record.get("enum", {}).items():
                own.update(dict.fromkeys([kind, *values], "method"))
            for key, description in record.get("p", {}).items():
                if self._had(since.get(f"p:{key}"), version):
                    own[key] = "property" if description[1] == "rw" else "constant"
            bases = [*record.get("bases", ()), *record.get("chain", ())]
            own = {**self._of_bases(bases, version), **own}
            found = {**found, **own}
            known = True
        return found if known else {}

    def _of_bases(self, bases: list[str], version: str) -> dict[str, str]:
        found = {}
        for base in reversed(bases):
            found.update(self.members(base, version))
        return found

    @staticmethod
    def _had(since: str | None, version: str) -> bool:
        return since is None or version_number(since) <= version_number(version)

    def _is_in(self, record: dict, version: str) -> bool:
        removed = record.get("removed")
        gone = removed is not None and version_number(version) >= version_number(removed)
        return self._had(record.get("since"), version) and not gone

    def has(self, name: str, version: str) -> bool:
        """Return whether a version of Slicer has a dotted name; true for every name of vtk, which has no table."""
        root, first, *rest = name.split(".")
        if root == "vtk":
            return True
        if root in ("qt", "ctk"):
            if version_number(version) >= (5, 12) and {first, ".".join([first, *rest[:1]])} & GONE_NAMES:
                return False
            table = self._qt if root == "qt" else self._ctk
            if first not in table:
                named = any(first == known for known, _ in table["_module"]["module_names"])
                return not rest and not first.startswith("_") and named
            return not rest or (len(rest) == 1 and rest[0] in self.members(first, version))
        if f"{root}.{first}" == "slicer.app":
            return not rest or rest[0] in self.members("qSlicerApplication", version)
        if f"{root}.{first}" in RUNTIME_NAMES:
            return True
        if first.startswith("vtk"):
            return any(self._has_marks(marks, version) for marks in self._vtk.get(first, ()))
        if first.startswith("q"):
            record = self._widgets.get(first, {})
            if not str(record.get("py")).startswith("slicer") or not self._had(record.get("class_since"), version):
                return False
            return not rest or rest[0] in self.members(first, version)
        return self._in_python(name, version)

    def _has_marks(self, marks: list[str], version: str) -> bool:
        """Return whether a version is covered by marks like ["+5.10", "-5.12"]: added in 5.10, removed in 5.12."""
        for mark in marks:
            later = version_number(version) >= version_number(mark[1:])
            if later != (mark[0] == "+"):
                return False
        return True

    def _in_python(self, name: str, version: str) -> bool:
        modules = self._python["modules"]
        if name in modules:
            return self._is_in(modules[name], version)
        parts = name.split(".")
        for cut in range(2, len(parts)):
            module, member = ".".join(parts[:cut]), ".".join(parts[cut:])
            for place, record in modules.items():
                inside = place == module or place.startswith(module + ".")
                if inside and self._is_in(record, version) and member in record["names"]:
                    if self._is_in(record["names"][member], version):
                        return True
        return False

    def signals(self, name: str) -> set[str]:
        """Return the signatures of the signals of a class and its bases, as connect() expects them."""
        found, bases = set(), []
        for record in (self._qt.get(name), self._ctk.get(name)):
            if record is not None:
                found.update(signature for overloads in record.get("signals", {}).values() for signature in overloads)
                bases += record["bases"]
        record = self._widgets.get(name, {})
        for signal, overloads in record.get("sig", {}).items():
            if self._had(record.get("since", {}).get(f"sig:{signal}"), VERSIONS[0]):
                found.update(f"{signal}({','.join(types[1:])})".replace("?", "") for types in overloads)
        bases += [*record.get("bases", ()), *record.get("chain", ())]
        return found.union(*map(self.signals, bases))

    def yields(self, name: str, member: str) -> str | None:
        """Return the class of a property's value or a method's result, or None if it is unknown or ambiguous."""
        record = self._widgets.get(name, {})
        kinds = [record.get(kind, {}).get(member) for kind in ("slot", "inv", "deco")]
        types = {overload[0] for overloads in kinds if overloads for overload in overloads}
        if member in record.get("p", {}):
            types.add(record["p"][member][0])
        bases = [*record.get("bases", ()), *record.get("chain", ())]
        for table in (self._qt, self._ctk):
            description = table.get(name, {}).get("props", {}).get(member, "").split()
            types.update(description[:1])
            bases += table.get(name, {}).get("bases", [])
        if not types:
            return next((found for base in bases if (found := self.yields(base, member))), None)
        only = types.pop().rstrip("*")
        return only if not types and self.members(only) else None


@functools.cache
def load_tables() -> ApiTables:
    """Return the tables; skip the test where they are absent."""
    if not FOLDER.is_dir():
        pytest.skip(f"{FOLDER}, which holds the tables of Slicer's names, does not exist")
    return ApiTables(FOLDER)
