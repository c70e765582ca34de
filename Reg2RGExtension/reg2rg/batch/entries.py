"""What the index and the summary say about each case. None of it comes from names of files or headers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reg2rg.batch.records import CaseRecord
from reg2rg.batch.store import Store
from reg2rg.errors import InputError
from reg2rg.exports.measurements import JSON_FILE
from reg2rg.measurements import Evidence, Measurement
from reg2rg.regions import get_region
from reg2rg.report import REPORT_FILE, Report, load_report
from reg2rg.runtime.dataclass_io import from_plain, parse_json


@dataclass(frozen=True)
class Entry:
    """A case in the index.

    Attributes:
        id: the case's ID.
        state: draft, signed, measured, failed, damaged (its folder cannot be read anymore) or superseded.
        folder: its report folder; None if it has failed.
        cause: why it has failed, or which case supersedes it; else empty.
        sections: number of sections.
        reviewed: number of sections that a reviewer has accepted, edited or rejected.
        findings: findings that count as present, such as "Lungs: Lung nodule".
        warnings: what a reader must know first.
        measurements: measurements that have a value.
        facts: model, version and time, by column of the index.
    """

    id: str
    state: str
    folder: Path | None = None
    cause: str = ""
    sections: int = 0
    reviewed: int = 0
    findings: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    facts: Mapping[str, str] | None = None


class Entries:
    """The entries of all cases. Report folders are read again only if they have changed."""

    def __init__(self, store: Store) -> None:
        """Read nothing yet."""
        self._store = store
        self._known: dict[str, tuple[CaseRecord, int, Entry]] = {}

    def read(self) -> list[Entry]:
        """Return the entries in the order of the cases' IDs."""
        known = self._known
        self._known = {}
        for record in self._store.records():
            folder = self._store.folder(record.id)
            time = _time_of(folder / REPORT_FILE)
            before = known.get(record.id)
            unchanged = before is not None and before[:2] == (record, time)
            entry = before[2] if before is not None and unchanged else _entry(record, folder)
            self._known[record.id] = record, time, entry
        return [entry for _, _, entry in self._known.values()]


def _time_of(path: Path) -> int:
    """Return when a file was changed; 0 if it does not exist."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _entry(record: CaseRecord, folder: Path) -> Entry:
    if record.superseded_by:
        return Entry(record.id, "superseded", folder, f"superseded by {record.superseded_by}")
    if record.cause:
        return Entry(record.id, "failed", cause=record.cause)
    try:
        if record.settings.get("kind") == "report":
            return _entry_of_report(record.id, load_report(folder))
        return _entry_of_measurements(record.id, folder)
    except (InputError, OSError):
        return Entry(record.id, "damaged", folder, "Its folder cannot be read anymore.")


def _entry_of_report(case_id: str, report: Report) -> Entry:
    provenance = report.provenance
    review = report.review.sections.values() if report.review is not None else ()
    return Entry(
        case_id,
        "signed" if report.signed else "draft",
        report.folder,
        sections=len(report.sections),
        reviewed=sum(section.reviewed for section in review),
        findings=tuple(
            f"{get_region(section.region).display_name}: {finding.label}"
            for section in report.sections
            for finding in section.listed_findings
            if finding.present
        ),
        warnings=report.warnings,
        measurements=_with_value(report.evidence),
        facts={"model": provenance.model, "version": provenance.versions["reg2rg"], "created": provenance.created},
    )


def _entry_of_measurements(case_id: str, folder: Path) -> Entry:
    values = parse_json((folder / JSON_FILE).read_text(encoding="utf-8"), JSON_FILE)
    evidence = from_plain(Evidence, {name: values[name] for name in ("conditions", "measurements")}, JSON_FILE)
    return Entry(case_id, "measured", folder, measurements=_with_value(evidence))


def _with_value(evidence: Evidence | None) -> tuple[Measurement, ...]:
    return tuple(each for each in evidence.measurements if each.value is not None) if evidence is not None else ()
