"""What reviewers did to drafts, as tables: per region, per finding and over time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from statistics import median

from reg2rg.evaluation.reviews.outcomes import Outcome, SectionOutcome, section_outcomes
from reg2rg.evaluation.reviews.review_times import PAUSE_SECONDS, section_seconds
from reg2rg.evaluation.tables import Cell, Table
from reg2rg.regions import get_region, in_reading_order
from reg2rg.report import Report

REGIONS, FINDINGS, DRIFT = "review_regions", "review_findings", "review_drift"
"""Keys of the tables."""

_MOST_MONTHS = 12
"""Reports of more months than this are grouped by quarter."""


def review_tables(reports: Sequence[Report]) -> list[Table]:
    """Return the tables of reviewed reports.

    Args:
        reports: reports in which at least one section was reviewed.
    """
    return [_regions(reports), _findings(reports), _drift(reports)]


def _regions(reports: Sequence[Report]) -> Table:
    sections, seconds = defaultdict(list), defaultdict(list)
    for report in reports:
        for section in section_outcomes(report):
            sections[section.region].append(section)
        for region, taken in section_seconds(report).items():
            seconds[region].append(taken)
    names = [region.name for region in in_reading_order(sections)]
    rows = [(get_region(name).display_name, *_section_cells(sections[name], seconds[name])) for name in names]
    everything = [section for name in names for section in sections[name]]
    rows.append(("all regions", *_section_cells(everything, [each for taken in seconds.values() for each in taken])))
    return Table(
        REGIONS,
        "What reviewers did to the sections",
        "Shares of the reviewed sections whose final text is the first draft (kept), differs from it (edited), or that "
        "were rejected; how often they were regenerated; and the median time that a review took per section, from its "
        f"log without pauses of more than {PAUSE_SECONDS / 60:.0f} minutes.",
        ("region", "sections", "kept", "edited", "rejected", "regenerated", "median seconds"),
        tuple(rows),
    )


def _section_cells(sections: Sequence[SectionOutcome], seconds: Sequence[float]) -> tuple[Cell, ...]:
    counts = Counter(section.outcome for section in sections)
    shares = (_share(counts[outcome], len(sections)) for outcome in (Outcome.KEPT, Outcome.EDITED, Outcome.REJECTED))
    regenerated = sum(section.regenerated for section in sections)
    return len(sections), *shares, regenerated, round(median(seconds), 1) if seconds else None


def _findings(reports: Iterable[Report]) -> Table:
    counts: dict[tuple[str, str], Counter[Outcome]] = defaultdict(Counter)
    for report in reports:
        for section in section_outcomes(report):
            for label, outcome in section.findings:
                counts[label, section.region][outcome] += 1
    ordered = sorted(counts.items(), key=lambda item: (-item[1].total(), item[0]))
    rows = [
        (label, get_region(region).display_name, *(count[outcome] for outcome in Outcome), _kept_share(count))
        for (label, region), count in ordered
    ]
    total: Counter[Outcome] = sum(counts.values(), Counter())
    rows.append(("all findings", "", *(total[outcome] for outcome in Outcome), _kept_share(total)))
    return Table(
        FINDINGS,
        "What reviewers did to the findings",
        "Findings that the first draft and the final text of a reviewed section state. Kept: in both, with the same "
        "side, level and size. Edited: in both, with another side, level or size. Rejected: only in the draft. Added: "
        "only in the final text. The share is that of kept findings among those of the drafts.",
        ("finding", "region", *(outcome.value for outcome in Outcome), "share kept"),
        tuple(rows),
        labeler="rules",
    )


def _drift(reports: Sequence[Report]) -> Table:
    months = {_created(report).strftime("%Y-%m") for report in reports}
    by_quarter = len(months) > _MOST_MONTHS
    periods: dict[str, list[Report]] = defaultdict(list)
    for report in reports:
        created = _created(report)
        quarter = f"{created:%Y} Q{(created.month + 2) // 3}"
        periods[quarter if by_quarter else created.strftime("%Y-%m")].append(report)
    rows = []
    for period, group in sorted(periods.items()):
        sections = [section for report in group for section in section_outcomes(report)]
        findings = Counter(outcome for section in sections for _, outcome in section.findings)
        _, kept, edited, rejected, _, seconds = _section_cells(
            sections, [taken for report in group for taken in section_seconds(report).values()]
        )
        added = findings[Outcome.ADDED] / len(group)
        rows.append((period, len(group), kept, edited, rejected, _kept_share(findings), round(added, 3), seconds))
    return Table(
        DRIFT,
        "Over time",
        f"The same numbers by {'quarter' if by_quarter else 'month'} in which the reports were generated. A change may "
        "come from another model, scanner, patient group or reviewer.",
        (
            *("period", "reports", "sections kept", "sections edited", "sections rejected"),
            *("findings kept", "findings added per report", "median seconds"),
        ),
        tuple(rows),
    )


def _kept_share(count: Counter[Outcome]) -> float | None:
    drafted = count[Outcome.KEPT] + count[Outcome.EDITED] + count[Outcome.REJECTED]
    return _share(count[Outcome.KEPT], drafted)


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _created(report: Report) -> datetime:
    return datetime.fromisoformat(report.provenance.created)
