"""Reports: their contents, their JSON form, and the rejection of invalid JSON."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from reg2rg import DRAFT_LABEL
from reg2rg.errors import InputError
from reg2rg.inference import GeneratedSection
from reg2rg.labeler import ALL_LABELS, POSSIBLE_REGIONS, Status, extract_mentions, possible_labels
from reg2rg.phantom.findings.finding_kinds import KINDS
from reg2rg.regions import REGION_NAMES
from reg2rg.report import (
    SCHEMA_VERSION,
    Finding,
    Geometry,
    Location,
    OutOfDistribution,
    Provenance,
    Report,
    ReportBuilder,
    Section,
    finding_line,
    outline_words,
    parse_report,
    probability_words,
    segment_id,
)
from reg2rg.report.linking import TextToken
from reg2rg.report.merging import merge_findings
from reg2rg.segmentation.masks import RegionMasks


@pytest.fixture
def volume() -> sitk.Image:
    image = sitk.GetImageFromArray(np.full((10, 10, 10), -1000, np.int16))
    image[0:5, 0:10, 0:10] = 40
    image[5:6, 0:10, 0:10] = -1024
    image.SetSpacing((1.0, 2.0, 5.0))
    return image


@pytest.fixture
def masks(volume) -> RegionMasks:
    heart, lung = np.zeros((2, 10, 10, 10), bool)
    heart[:, :, :6], lung[:, :, 6:] = True, True
    arrays = {"heart": heart, "lung": lung}
    return RegionMasks.from_arrays(arrays, volume, segmenter="test", approximate=frozenset({"lung"}))


def provenance(volume: sitk.Image) -> Provenance:
    return Provenance("tiny", "ab" * 32, "greedy", "cpu", "fp32", 0, 500, "test", "It was requested.", {"torch": "2"},
                      "2026-01-01T00:00:00+00:00", {"read": 0.5}, Geometry.from_image(volume))  # fmt: skip


def generated(region: str, text: str, recognized: str | None, tokens=(), complete: bool = True) -> GeneratedSection:
    return GeneratedSection(region, recognized, text, tuple(tokens), complete)


@pytest.fixture
def report(volume, masks) -> Report:
    text = "Normal. No effusion."
    tokens = [TextToken(0, 6, 0.9), TextToken(6, 7, 0.7), TextToken(7, 11, 0.5), TextToken(11, 20, 0.3)]
    texts = [generated("heart", text, "heart", tokens), generated("lung", "Clear.", "pleura", complete=False)]
    return ReportBuilder(volume, masks).report(texts, provenance(volume), masks.missing)


def test_sections_are_in_reading_order_regardless_of_generation_order(report):
    assert [section.region for section in report.sections] == ["lung", "heart"]


def test_grounding_compares_the_recognized_region_with_the_requested_one(report):
    lung, heart = report.sections
    assert (lung.recognized, lung.grounded) == ("pleura", False)
    assert heart.grounded and heart.complete and not lung.complete


def test_each_sentence_has_the_probabilities_of_its_own_tokens(report):
    first, second = report.sections[1].sentences
    assert (first.mean_probability, first.min_probability) == (0.8, 0.7)
    assert (second.mean_probability, second.min_probability) == (0.4, 0.3)
    assert report.sections[0].sentences[0].mean_probability is None


def test_volume_is_measured_and_mean_hu_excludes_padding(report):
    lung, heart = report.sections
    assert heart.volume_ml == 6.0 and lung.volume_ml == 4.0
    assert heart.mean_hu == 40.0, "one of the heart's six columns is padding"
    assert lung.approximate and not heart.approximate


def test_regions_without_a_section_are_listed_with_the_reason(report):
    assert set(report.skipped_regions) == {"abdomen", "bone", "breast", "esophagus", "mediastinum", "pleura", "thyroid",
                                           "trachea and bronchie"}  # fmt: skip
    assert all(report.skipped_regions.values())


def test_the_disclaimer_is_in_the_json(report):
    assert json.loads(report.to_json())["disclaimer"] == DRAFT_LABEL


def test_a_report_round_trips_through_json(report):
    assert parse_report(report.to_json()) == report


def test_a_section_is_looked_up_by_its_region(report):
    assert report.section("heart") is report.sections[1]
    with pytest.raises(InputError, match="no section 'bone'; expected one of: lung, heart"):
        report.section("bone")


SPOT = Location((1.0, -2.0, 3.5), (8.0, 9.0, 10.0), None, True)


def detected(
    label: str, probability: float, location: Location | None = SPOT, side="right", level="upper", outlined=True
) -> Finding:
    location = location if probability >= 0.5 else None
    segment = segment_id("lung", label) if location and outlined else None
    return Finding(label, probability, side, level, 14.2, location, segment)


@pytest.fixture
def lung(volume, masks):
    """Return a function that builds a lung section from its text, detected findings, and corrections."""

    def make(text: str, *findings: Finding, out_of_distribution: OutOfDistribution | None = None, corrections=None):
        builder = ReportBuilder(
            volume,
            masks,
            detected={"lung": findings},
            out_of_distribution=out_of_distribution,
            corrections={"lung": corrections or {}},
        )
        return builder.section(generated("lung", text, "lung"))

    return make


def messages(section: Section) -> list[str]:
    return [disagreement.message for disagreement in section.disagreements]


def test_findings_of_text_and_finding_head_are_joined_by_label(lung):
    text = "A nodule is seen in the right upper lobe. There may be emphysema. No consolidation."
    findings = [
        detected("Lung nodule", 0.876),
        detected("Atelectasis", 0.6),
        detected("Lung opacity", 0.35),
        detected("Emphysema", 0.2),
    ]
    findings += [detected("Consolidation", 0.04), detected("Bronchiectasis", 0.02)]
    section = lung(text, *findings)
    assert [(f.label, f.text_status, f.probability, f.source) for f in section.findings] == [
        ("Lung nodule", Status.PRESENT, 0.876, "both"),
        ("Atelectasis", None, 0.6, "head"),
        ("Lung opacity", None, 0.35, "head"),
        ("Emphysema", Status.UNCERTAIN, 0.2, "text"),
        ("Consolidation", Status.ABSENT, 0.04, "text"),
    ]
    assert [sentence.findings for sentence in section.sentences] == [(0,), (3,), (4,)]


def test_a_detected_finding_has_a_location_and_a_segment(lung):
    nodule, opacity = lung("Clear.", detected("Lung nodule", 0.9), detected("Lung opacity", 0.4)).findings
    location = nodule.location
    assert (location.point_ras, location.extent_mm, location.focal) == (SPOT.point_ras, SPOT.extent_mm, True)
    assert location.lobe == "right upper lobe" and nodule.segment == "lung.Lung nodule"
    assert opacity.location is None and opacity.segment is None


def test_a_weak_finding_map_gives_a_location_without_a_segment(lung):
    weak = dataclasses.replace(SPOT, focal=False)
    (nodule,) = lung("A nodule.", detected("Lung nodule", 0.9, weak, outlined=False)).findings
    assert nodule.location is not None and not nodule.location.focal and nodule.segment is None


def test_location_comes_from_the_head_if_it_detects_the_finding_and_otherwise_from_the_text(lung):
    text = "A nodule of 6 mm is seen in the left lower lobe."
    (likely,) = lung(text, detected("Lung nodule", 0.9)).findings
    (unlikely,) = lung(text, detected("Lung nodule", 0.4)).findings
    (lobe_from_text,) = lung(text, detected("Lung nodule", 0.9, side="left", level=None)).findings
    assert (likely.side, likely.level, likely.size_mm) == ("right", "upper", 14.2)
    assert (unlikely.side, unlikely.level, unlikely.size_mm) == ("left", "lower", 6.0)
    assert lobe_from_text.location.lobe == "left lower lobe"


def test_without_a_finding_head_all_findings_come_from_the_text(lung):
    section = lung("A nodule of 6 mm is seen in the left lower lobe. No emphysema.")
    nodule, emphysema = section.findings
    assert (nodule.source, nodule.probability, nodule.location, nodule.segment) == ("text", None, None, None)
    assert (nodule.side, nodule.level, nodule.size_mm) == ("left", "lower", 6.0)
    assert emphysema.text_status is Status.ABSENT and section.disagreements == ()


@pytest.mark.parametrize(
    ("text", "probability", "expected"),
    [
        ("A nodule is seen.", 0.29, ["The text states lung nodule; the finding detector rates it unlikely (29%)."]),
        ("A nodule is seen.", 0.31, []),
        ("A nodule is possible.", 0.1, []),
        ("No nodule.", 0.71, ["The text denies lung nodule; the finding detector rates it likely (71%)."]),
        ("No nodule.", 0.69, []),
        ("Clear.", 0.95, ["The text does not mention lung nodule; the finding detector rates it very likely (95%)."]),
        ("Clear.", 0.6, []),
        ("A nodule in the right lung.", 0.9, []),
        (
            "A nodule in the left lung. No nodule in the right lung.",
            0.9,
            ["The text places lung nodule on the left; the finding detector places it on the right."],
        ),
    ],
)
def test_text_and_head_that_disagree_on_presence_or_side_give_a_warning(lung, text, probability, expected):
    assert messages(lung(text, detected("Lung nodule", probability))) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A nodule of 12 mm is seen in the right upper lobe.", []),
        (
            "A nodule in the right lower lobe.",
            ["The text places lung nodule in the lower lobe; the finding detector places it in the upper lobe."],
        ),
        ("A nodule in the right lower lobe. A nodule in the right upper lobe.", []),
        ("A nodule of 6 mm.", ["The text gives a size of 6 mm for lung nodule; the finding detector measures 14 mm."]),
        ("A nodule of 6 mm. A nodule of 13 mm.", []),
    ],
)
def test_text_and_head_that_disagree_on_lobe_or_size_give_a_warning(lung, text, expected):
    assert messages(lung(text, detected("Lung nodule", 0.9))) == expected


def test_a_correction_is_stored_and_settles_a_disagreement(lung):
    section = lung("No nodule.", detected("Lung nodule", 0.9), corrections={"Lung nodule": False, "Emphysema": True})
    nodule, emphysema = section.findings
    assert (nodule.correction, emphysema.correction) == (False, True) and section.disagreements == ()
    assert finding_line("lung", nodule).endswith("very likely (90%); marked as absent by the reviewer")
    assert finding_line("lung", emphysema) == "Emphysema: not in the text; marked as present by the reviewer"


@pytest.mark.parametrize(
    ("probability", "expected"),
    [
        (1.0, "very likely (99%)"),
        (0.85, "likely (85%)"),
        (0.5, "possible (50%)"),
        (0.2, "unlikely (20%)"),
        (0.0, "very unlikely (1%)"),
    ],
)
def test_a_probability_in_a_report_never_expresses_certainty(probability, expected):
    assert probability_words(probability) == expected


def test_findings_in_an_out_of_distribution_volume_are_not_calibrated(lung):
    shift = OutOfDistribution(3.0, 1.5)
    section = lung(
        "No emphysema.", detected("Lung nodule", 0.99), detected("Emphysema", 0.01), out_of_distribution=shift
    )
    assert [finding_line("lung", finding) for finding in section.findings] == [
        "Lung nodule, right upper lobe, 14 mm: possible (99%, not calibrated for this volume)",
        "Emphysema: uncertain (1%, not calibrated for this volume)",
    ]
    assert shift.detected and not any(finding.calibrated for finding in section.findings)
    assert all(
        finding.calibrated
        for finding in lung("No emphysema.", out_of_distribution=OutOfDistribution(1.0, 1.5)).findings
    )


@pytest.mark.parametrize(
    ("region", "text", "label"),
    [
        ("trachea and bronchie", "Emphysema in both lungs. Bronchiectasis.", "Bronchiectasis"),
        ("heart", "A cyst in the liver. Pericardial effusion.", "Pericardial effusion"),
        ("bone", "A nodule in the right upper lobe. Fracture of a rib.", "Fracture"),
    ],
)
def test_findings_that_a_region_cannot_have_are_not_listed(region, text, label):
    detected_everywhere = [Finding(name, 0.9) for name in ALL_LABELS if region not in POSSIBLE_REGIONS[name]]
    findings = merge_findings(region, extract_mentions(text, region), detected_everywhere, {}, calibrated=True)
    assert [finding.label for finding in findings] == [label]


def test_the_table_of_possible_findings_knows_every_label_and_gives_every_region_some() -> None:
    assert set(POSSIBLE_REGIONS) == set(ALL_LABELS)
    for name in REGION_NAMES:
        assert len(possible_labels(name)) >= 2, name
    for kind in KINDS:
        assert kind.label in possible_labels(kind.region), "phantoms have their findings where these can be"


@pytest.mark.parametrize(
    ("size_mm", "extent_mm", "focal", "remark"),
    [
        (39.0, (124.0, 98.0, 72.0), True, "the marked area of 124 x 98 x 72 mm is where to look, not the size"),
        (39.0, (10.0, 11.0, 12.0), True, "the marked area of 10 x 11 x 12 mm is where to look, not the size"),
        (39.0, (45.0, 30.0, 30.0), True, None),
        (39.0, (124.0, 98.0, 72.0), False, None),
        (None, (124.0, 98.0, 72.0), True, None),
    ],
)
def test_an_area_that_disagrees_with_the_size_is_told_as_what_it_is(size_mm, extent_mm, focal, remark):
    location = Location((0.0, 0.0, 0.0), extent_mm, None, focal)
    finding = Finding("Lung nodule", 0.87, size_mm=size_mm, location=location)
    assert outline_words(finding) == remark
    assert finding_line("lung", finding).endswith(f"likely (87%); {remark}" if remark else "likely (87%)")


def test_a_report_says_what_the_model_was_trained_for(report):
    trained = dataclasses.replace(report.provenance, trained_for="synthetic <phantoms>")
    report = dataclasses.replace(report, provenance=trained)
    assert "Model tiny (abababababab), trained for synthetic <phantoms>; regions" in " ".join(report.to_text().split())
    assert "trained for synthetic &lt;phantoms&gt;" in report._repr_html_()


@pytest.fixture
def with_findings(report, lung) -> Report:
    section = lung(
        "A nodule.", detected("Lung nodule", 0.9), detected("Atelectasis", 0.4), corrections={"Emphysema": False}
    )
    return dataclasses.replace(report, sections=(section,), out_of_distribution=OutOfDistribution(1.0, 1.5))


def test_json_contains_findings_and_the_values_derived_from_them(with_findings):
    assert parse_report(with_findings.to_json()) == with_findings
    values = json.loads(with_findings.to_json())
    assert values["out_of_distribution"] == {"distance": 1.0, "limit": 1.5, "kind": "", "detected": False}
    nodule = values["sections"][0]["findings"][0]
    assert (nodule["source"], nodule["text_status"], nodule["location"]["point_ras"]) == (
        "both",
        "present",
        [1.0, -2.0, 3.5],
    )


OLD_REPORTS = Path(__file__).parents[1] / "Data" / "reports"


@pytest.mark.parametrize("version", [5, 6])
def test_reports_without_measurements_are_read_with_their_text_as_the_draft(version):
    text = (OLD_REPORTS / f"schema_{version}.json").read_text(encoding="utf-8")
    report, values = parse_report(text), json.loads(text)
    assert values["schema_version"] == version
    values |= {"technique": {}, "evidence": None, "review": None, "schema_version": SCHEMA_VERSION}
    values["provenance"].setdefault("trained_for", "")  # added in version 6
    values["provenance"]["volume_sha256"] = ""  # added in version 9
    values["out_of_distribution"]["kind"] = ""  # added in version 8
    for section in values["sections"]:
        section |= {"measured": [], "model_text_hidden": False, "draft": section["text"]}
    assert json.loads(report.to_json()) == _with_nothing_withheld(values)


def test_reports_without_a_review_are_read():
    values = json.loads((OLD_REPORTS / "schema_7.json").read_text(encoding="utf-8"))
    report = parse_report(json.dumps(values))
    values["out_of_distribution"]["kind"] = ""
    values["evidence"]["conditions"]["trachea_hu"] = None
    values |= {"review": None, "schema_version": SCHEMA_VERSION}
    assert json.loads(report.to_json()) == _with_nothing_withheld(values)


def test_signed_reports_without_a_statement_about_what_they_may_not_state_are_read_and_sealed_again():
    values = json.loads((OLD_REPORTS / "schema_8.json").read_text(encoding="utf-8"))
    report = parse_report(json.dumps(values))
    assert report.signed and report.supported is None
    assert parse_report(report.to_json()) == report, "its new seal is valid"
    signature = values["review"]["signature"]
    assert report.review.signature.content_sha256 != signature.pop("content_sha256")
    expected = _with_nothing_withheld({**values, "schema_version": SCHEMA_VERSION})
    written = json.loads(report.to_json())
    del written["review"]["signature"]["content_sha256"]
    assert written == expected


def _with_nothing_withheld(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a report with the fields that version 9 added."""
    values["provenance"]["volume_sha256"] = ""
    for section in values["sections"]:
        section |= {"withheld": "", "withheld_findings": []}
    return {**values, "supported": None, "prior": None}


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_reports_of_older_schema_versions_are_read(version):
    """Read the sample reports that were generated by the commits that introduced these versions."""
    text = (OLD_REPORTS / f"schema_{version}.json").read_text(encoding="utf-8")
    values = json.loads(text)
    assert values["schema_version"] == version
    report = parse_report(text)
    assert report.schema_version == SCHEMA_VERSION and parse_report(report.to_json()) == report
    assert [section.text for section in report.sections] == [section["text"] for section in values["sections"]]
    assert [section.recognized for section in report.sections] == [s["recognised"] for s in values["sections"]]
    assert report.provenance.precision == values["provenance"].get("precision", "fp32")
    assert report.provenance.stage_seconds == values["provenance"]["seconds"]
    stored = [[finding["label"] for finding in section.get("findings", [])] for section in values["sections"]]
    assert [[finding.label for finding in section.findings] for section in report.sections] == stored
    assert (report.out_of_distribution is None) == (version < 3)


def test_disagreements_are_derived_for_reports_of_schema_versions_without_them():
    values = json.loads((OLD_REPORTS / "schema_3.json").read_text(encoding="utf-8"))
    lung = values["sections"][0]
    lung["text"] = "No nodule is seen."
    lung["sentences"] = []
    (nodule,) = [finding for finding in lung["findings"] if finding["label"] == "Lung nodule"]
    nodule.update(text="absent", source="head")
    assert nodule["probability"] > 0.9
    (disagreement,) = [each for each in messages(parse_report(json.dumps(values)).sections[0]) if "nodule" in each]
    assert disagreement.startswith("The text denies lung nodule; the finding detector rates it very likely (9")


WRONG_FINDINGS = {
    "contradictory source": (lambda f: f.update(source="text"), "source is 'text', which contradicts the other fields"),
    "point with two coordinates": (lambda f: f["location"].update(point_ras=[1.0, 2.0]), "point_ras"),
    "unknown status": (
        lambda f: f.update(text_status="perhaps"),
        "text_status is 'perhaps'; expected one of: present",
    ),
}


@pytest.mark.parametrize("case", WRONG_FINDINGS)
def test_an_invalid_or_contradictory_finding_is_refused(with_findings, case):
    change, expected = WRONG_FINDINGS[case]
    with pytest.raises(InputError, match=expected):
        parse_report(_changed(with_findings, lambda values: change(values["sections"][0]["findings"][0])))


def test_a_sentence_that_mentions_a_missing_finding_is_refused(with_findings):
    with pytest.raises(InputError, match="mentions a finding that is not in the report"):
        parse_report(_changed(with_findings, lambda values: values["sections"][0]["sentences"][0].update(findings=[7])))


def test_reports_can_be_read_without_scipy_and_torch():
    program = "import sys; sys.modules.update(scipy=None, torch=None); import reg2rg.report.impression, reg2rg.report"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def _changed(report: Report, change) -> str:
    values = json.loads(report.to_json())
    change(values)
    return json.dumps(values)


INVALID_REPORTS = {
    "newer": (lambda v: v.update(schema_version=SCHEMA_VERSION + 1), f"expected 1 to {SCHEMA_VERSION}"),
    "older": (lambda v: v.update(schema_version=0), "schema version 0"),
    "no version": (lambda v: v.pop("schema_version"), "no schema_version"),
    "missing field": (lambda v: v["sections"][1].pop("text"), r"report.sections\[1\] lacks required fields: text"),
    "unknown field": (lambda v: v.update(extra=1), "unknown fields: 'extra'"),
    "multiline unknown field": (lambda v: v.update({"a\nb" * 99: 1}), "unknown"),
    "multiline version": (lambda v: v.update(schema_version="1\n2"), "schema version '1"),
    "not a number": (
        lambda v: v["sections"][0].update(mean_hu=float("nan")),
        "mean_hu is nan; expected a finite number",
    ),
    "infinite": (lambda v: v["sections"][0].update(mean_hu=float("inf")), "mean_hu is inf; expected a finite number"),
    "too large": (lambda v: v["sections"][0].update(mean_hu=10**400), "mean_hu is .*; expected a finite number"),
    "unknown region": (lambda v: v["sections"][0].update(region="knee"), "'knee'"),
    "unknown skipped region": (lambda v: v["skipped_regions"].update(knee="why"), "'knee'"),
    "wrong type": (
        lambda v: v["sections"][0].update(volume_ml="big"),
        r"sections\[0\].volume_ml is 'big'; expected a finite number",
    ),
    "review state": (lambda v: v["sections"][0].update(state="draft"), "unknown fields: 'state'"),
}


@pytest.mark.parametrize("case", INVALID_REPORTS)
def test_an_unsupported_or_invalid_report_gives_a_one_line_error(report, case):
    change, expected = INVALID_REPORTS[case]
    with pytest.raises(InputError, match=expected) as error:
        parse_report(_changed(report, change))
    assert "\n" not in str(error.value)


def test_errors_do_not_reveal_report_text(report):
    with pytest.raises(InputError, match="report.sections is a dict") as error:
        parse_report(_changed(report, lambda v: v.update(sections={"0": v["sections"]})))
    assert "No effusion" not in str(error.value)


def test_a_report_that_could_not_be_read_back_is_not_written(report):
    with pytest.raises(ValueError):
        dataclasses.replace(report, sections=(dataclasses.replace(report.sections[0], mean_hu=float("nan")),)).to_json()


@pytest.mark.parametrize("text", ["", "[]", '"report"', '{"a": 1}', '{"schema_version": 1', "[" * 200_000])
def test_input_that_is_not_a_report_is_refused(text):
    with pytest.raises(InputError):
        parse_report(text)
