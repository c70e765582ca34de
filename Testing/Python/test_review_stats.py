"""Review statistics: what reviewers did to drafts, how long it took, and changes over time."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from command_line import Run, error_line
from reports_under_review import reviewed_report, signed_report, stored_report

from reg2rg.evaluation.reviews.outcomes import Outcome, section_outcomes
from reg2rg.evaluation.reviews.review_stats import run
from reg2rg.evaluation.reviews.review_tables import review_tables
from reg2rg.evaluation.reviews.review_times import section_seconds
from reg2rg.report import Change, Report, ReviewState, SectionReview, addendum, sign
from reg2rg.report.review_changes import begin_review, with_section, with_section_review
from reg2rg.report.seal import content_sha256

EDITED = (
    "A nodule of 12 mm is visible in the left lower lobe. Fibrotic changes are present in the left upper lobe. "
    "Emphysema."
)


@pytest.fixture(scope="module")
def report() -> Report:
    return stored_report()


def outcomes_of(report: Report, region: str) -> tuple[Outcome, dict[str, Outcome]]:
    section = next(section for section in section_outcomes(report) if section.region == region)
    return section.outcome, dict(section.findings)


def with_log(report: Report, *changes: tuple[str, str, str]) -> Report:
    """Return a report whose log contains these changes: time as minutes and seconds, action and region."""
    log = tuple(Change(f"2026-05-01T10:{time}+00:00", action, region) for time, action, region in changes)
    return dataclasses.replace(report, review=dataclasses.replace(report.review, log=log))


def created(report: Report, day: str) -> Report:
    return dataclasses.replace(
        report, provenance=dataclasses.replace(report.provenance, created=f"{day}T12:00:00+00:00")
    )


def test_an_accepted_draft_keeps_all_its_findings(report):
    outcome, findings = outcomes_of(reviewed_report(report), "lung")
    assert outcome is Outcome.KEPT and set(findings.values()) == {Outcome.KEPT} and "Lung nodule" in findings


def test_an_edited_text_tells_which_findings_were_kept_changed_removed_and_added(report):
    outcome, findings = outcomes_of(reviewed_report(report, lung=EDITED), "lung")
    assert outcome is Outcome.EDITED
    assert findings == {
        "Lung nodule": Outcome.EDITED,  # 22 mm in the draft
        "Atelectasis": Outcome.REJECTED,
        "Pulmonary fibrotic sequela": Outcome.KEPT,
        "Emphysema": Outcome.ADDED,
    }


def test_a_rejected_section_rejects_all_its_findings(report):
    outcome, findings = outcomes_of(reviewed_report(report, lung=None), "lung")
    assert outcome is Outcome.REJECTED and set(findings.values()) == {Outcome.REJECTED}


def test_a_regenerated_section_is_compared_with_the_first_draft(report):
    again = dataclasses.replace(report.section("lung"), text="No nodule.", sentences=(), findings=(), disagreements=())
    regenerated = with_section(begin_review(report), again)
    accepted = with_section_review(regenerated, "lung", SectionReview(ReviewState.ACCEPTED, "No nodule."))
    (lung,) = section_outcomes(accepted)
    assert (lung.region, lung.outcome, lung.regenerated) == ("lung", Outcome.EDITED, 1)
    assert dict(lung.findings)["Lung nodule"] is Outcome.REJECTED


def test_sections_that_nobody_reviewed_do_not_count(report):
    assert section_outcomes(report) == section_outcomes(begin_review(report)) == ()


def test_the_time_between_two_changes_counts_for_the_later_one_without_pauses(report):
    timed = with_log(
        reviewed_report(report),
        ("00:00", "accepted", "heart"),
        ("00:20", "edit", "lung"),
        ("00:30", "accepted", "lung"),
        ("00:35", "impression", ""),
        ("09:00", "accepted", "heart"),  # after a pause
        ("09:04", "accept-all", "lung"),
    )
    assert section_seconds(timed) == {"lung": 30.0}
    assert section_seconds(report) == {}


def test_tables_count_per_region_per_finding_and_over_time(report):
    changes = ("00:00", "accepted", "heart"), ("00:08", "edit", "lung")
    edited = created(with_log(reviewed_report(report, lung=EDITED), *changes), "2026-01-31")
    rejected = created(reviewed_report(report, lung=None), "2026-02-01")
    regions, findings, drift = review_tables([edited, rejected])
    assert regions.rows[0] == ("Lungs", 2, 0.0, 0.5, 0.5, 0, 8.0)
    assert regions.rows[-1] == ("all regions", 4, 0.5, 0.25, 0.25, 0, 8.0)
    by_label = {row[0]: row[2:] for row in findings.rows}
    assert by_label["Lung nodule"] == (0, 1, 1, 0, 0.0)
    assert by_label["Emphysema"] == (0, 0, 0, 1, None), "the share of drafted findings that were kept"
    assert drift.texts("period") == ["2026-01", "2026-02"]
    assert drift.numbers("findings added per report") == [1.0, 0.0]


def test_more_than_a_year_is_grouped_by_quarter(report):
    reviewed = reviewed_report(report)
    days = [f"2025-{month:02}-01" for month in range(1, 13)] + ["2026-01-01"]
    drift = review_tables([created(reviewed, day) for day in days])[2]
    assert drift.texts("period") == ["2025 Q1", "2025 Q2", "2025 Q3", "2025 Q4", "2026 Q1"]


def test_the_command_writes_tables_and_a_page_without_any_report_text(reg2rg: Run, report, tmp_path: Path):
    signed = signed_report(report, lung=EDITED)
    amended = sign(with_section_review(addendum(signed), "heart", SectionReview(ReviewState.REJECTED, "")), "Dr. B")
    for name, each in (("a", signed), ("b", amended), ("c", report)):
        (tmp_path / "reports" / name).mkdir(parents=True)
        (tmp_path / "reports" / name / "report.json").write_text(each.to_json(), encoding="utf-8")
    finished = reg2rg("review-stats", tmp_path / "reports", "-o", tmp_path / "out")
    assert "What reviewers did to the sections" in finished.stdout
    assert finished.stdout.splitlines()[-1] == str(tmp_path / "out" / "review_stats.html")
    page = (tmp_path / "out" / "review_stats.html").read_text(encoding="utf-8")
    assert "1 reviewed, 1 not reviewed and left out" in page, "an addendum replaces the report that it amends"
    assert page.count("<img ") == 3 and "http" not in page.replace("http-equiv", "")
    assert "12 mm" not in page + finished.stdout and "Dr. B" not in page + finished.stdout
    with (tmp_path / "out" / "review_regions.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["region"], row["rejected"]) for row in rows][:2] == [("Lungs", "0.0"), ("Heart", "1.0")]


def stored_as_version_8(report: Report, earlier: str | None = None) -> dict[str, Any]:
    """Return a signed report as version 8 stored it.

    Args:
        report: a signed report.
        earlier: the hash of the version that it amends.
    """
    values = json.loads(report.to_json())
    del values["provenance"]["volume_sha256"], values["supported"], values["prior"]
    values["schema_version"] = 8
    if earlier is not None:
        values["review"]["earlier_signatures"][-1]["content_sha256"] = earlier
    values["review"]["signature"]["content_sha256"] = content_sha256(values)
    return values


def test_an_addendum_of_an_older_version_replaces_its_report_as_well(report, tmp_path: Path):
    signed = signed_report(report)
    amended = sign(with_section_review(addendum(signed), "heart", SectionReview(ReviewState.REJECTED, "")), "Dr. B")
    first = stored_as_version_8(signed)
    second = stored_as_version_8(amended, first["review"]["signature"]["content_sha256"])
    for name, values in (("a", first), ("b", second)):
        (tmp_path / "reports" / name).mkdir(parents=True)
        (tmp_path / "reports" / name / "report.json").write_text(json.dumps(values), encoding="utf-8")
    (regions, *_), _ = run([tmp_path / "reports"], tmp_path / "out")
    assert regions.numbers("sections") == [1, 1, 2]


def test_reports_that_nobody_reviewed_and_missing_reports_are_told(reg2rg: Run, report, tmp_path: Path):
    assert "contains no report folder" in error_line(reg2rg("review-stats", tmp_path, "-o", tmp_path / "out"), 2)
    (tmp_path / "report.json").write_text(report.to_json(), encoding="utf-8")
    assert "The only report was not reviewed; review it in the Slicer module first." in error_line(
        reg2rg("review-stats", tmp_path, "-o", tmp_path / "out"), 2
    )
    (tmp_path / "report.json").write_text("", encoding="utf-8")
    unusable = reg2rg("review-stats", tmp_path, "-o", tmp_path / "out")
    assert error_line(unusable, 2) == "reg2rg: None of the reports can be used."
    assert not (tmp_path / "out").exists()


def test_copies_and_unreadable_reports_are_left_out_and_named(reg2rg: Run, report, tmp_path: Path):
    signed = signed_report(report).to_json()
    texts = {"a": signed, "b": signed, "changed": signed.replace("nodule", "mass"), "empty": ""}
    for name, text in texts.items():
        (tmp_path / "reports" / name).mkdir(parents=True)
        (tmp_path / "reports" / name / "report.json").write_text(text, encoding="utf-8")
    finished = reg2rg("review-stats", tmp_path / "reports", "-o", tmp_path / "out")
    assert finished.returncode == 0 and finished.stderr == (
        "3 of 4 reports are left out: 1 copied from another (b); 1 changed after signing (changed); "
        "1 not readable (empty).\n"
    )
    page = (tmp_path / "out" / "review_stats.html").read_text(encoding="utf-8")
    assert "1 reviewed" in page and "1 copied from another, 1 changed after signing, 1 not readable" in page


@pytest.mark.parametrize("count", [1, 40])
def test_a_page_can_be_made_of_any_number_of_reports(report, tmp_path: Path, count: int):
    for number in range(count):
        folder = tmp_path / "reports" / str(number)
        folder.mkdir(parents=True)
        each = created(reviewed_report(report, lung=EDITED if number % 3 else None), f"2026-{number % 12 + 1:02}-01")
        (folder / "report.json").write_text(each.to_json(), encoding="utf-8")
    _, page = run([tmp_path / "reports"], tmp_path / "out")
    assert page.stat().st_size > 20_000
