"""The report says what was written and measured, keeps it through JSON, and refuses what is no report."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from reg2rg import DRAFT_LABEL
from reg2rg.errors import InputError
from reg2rg.inference import GeneratedSection, TextToken
from reg2rg.labeler import Status
from reg2rg.report import (
    Familiarity,
    Geometry,
    Provenance,
    Report,
    Seen,
    State,
    build_report,
    build_section,
    finding_words,
    probability_words,
)
from reg2rg.report.located_finding import LocatedFinding, Spot
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
    return Provenance("tiny", "ab" * 32, "greedy", "cpu", "fp32", 0, 500, "test", "It was asked for.", {"torch": "2"},
                      "2026-01-01T00:00:00+00:00", {"read": 0.5}, Geometry.of(volume))  # fmt: skip


def written(region: str, text: str, recognised: str | None, tokens=(), complete: bool = True) -> GeneratedSection:
    return GeneratedSection(region, recognised, text, tuple(tokens), complete)


@pytest.fixture
def report(volume, masks) -> Report:
    text = "Normal. No effusion."
    tokens = [TextToken(0, 6, 0.9), TextToken(6, 7, 0.7), TextToken(7, 11, 0.5), TextToken(11, 20, 0.3)]
    sections = [written("heart", text, "heart", tokens), written("lung", "Clear.", "pleura", complete=False)]
    return build_report(sections, volume, masks, provenance(volume), masks.missing)


def test_sections_are_in_reading_order_whatever_order_they_were_written_in(report):
    assert [section.region for section in report.sections] == ["lung", "heart"]


def test_the_grounding_check_compares_the_region_named_with_the_region_asked(report):
    lung, heart = report.sections
    assert (lung.recognised, lung.grounded) == ("pleura", False)
    assert heart.grounded and heart.complete and not lung.complete


def test_each_sentence_has_the_probabilities_of_its_own_tokens(report):
    first, second = report.sections[1].sentences
    assert (first.mean_probability, first.minimum_probability) == (0.8, 0.7)
    assert (second.mean_probability, second.minimum_probability) == (0.4, 0.3)
    assert report.sections[0].sentences[0].mean_probability is None


def test_volume_and_mean_hu_are_measured_and_padding_does_not_count(report):
    lung, heart = report.sections
    assert heart.volume_ml == 6.0 and lung.volume_ml == 4.0
    assert heart.mean_hu == 40.0, "one column of the heart's six is padding"
    assert lung.approximate and not heart.approximate


def test_regions_without_a_section_are_listed_with_the_reason(report):
    assert set(report.without_section) == {"abdomen", "bone", "breast", "esophagus", "mediastinum", "pleura", "thyroid",
                                           "trachea and bronchie"}  # fmt: skip
    assert all(report.without_section.values())


def test_nothing_is_accepted_by_default_and_the_label_stands_in_the_json(report):
    assert {section.state for section in report.sections} == {State.DRAFT}
    assert json.loads(report.to_json())["label"] == DRAFT_LABEL


def test_json_keeps_everything(report):
    accepted = dataclasses.replace(report.sections[0], state=State.ACCEPTED)
    changed = dataclasses.replace(report, sections=(accepted, report.sections[1]))
    assert Report.from_json(changed.to_json()) == changed


SPOT = Spot((1.0, -2.0, 3.5), (8.0, 9.0, 10.0), True, (slice(0, 2), slice(0, 2), slice(0, 2)), np.ones((2, 2, 2), bool))


def seen(label: str, probability: float, spot: Spot | None = SPOT, side="right", level="upper") -> LocatedFinding:
    return LocatedFinding(label, probability, side, level, 14.2, spot if probability >= 0.5 else None)


@pytest.fixture
def lung(volume, masks):
    """The section of a lung, from its text and what the finding head and the user say of it."""

    def make(text: str, *findings: LocatedFinding, familiarity: Familiarity | None = None, said=None):
        known = Seen({"lung": findings}, familiarity, {"lung": said or {}})
        return build_section(written("lung", text, "lung"), volume, masks, known)

    return make


def test_text_and_head_are_joined_by_label(lung):
    text = "A nodule is seen in the right upper lobe. There may be emphysema. No consolidation."
    findings = [
        seen("Lung nodule", 0.876),
        seen("Atelectasis", 0.6),
        seen("Lung opacity", 0.35),
        seen("Emphysema", 0.2),
    ]
    findings += [seen("Consolidation", 0.04), seen("Bronchiectasis", 0.02)]
    section = lung(text, *findings)
    assert [(f.label, f.text, f.probability, f.source) for f in section.findings] == [
        ("Lung nodule", Status.PRESENT, 0.876, "both"),
        ("Atelectasis", None, 0.6, "head"),
        ("Lung opacity", None, 0.35, "head"),
        ("Emphysema", Status.UNCERTAIN, 0.2, "text"),
        ("Consolidation", Status.ABSENT, 0.04, "text"),
    ]
    assert [sentence.findings for sentence in section.sentences] == [(0,), (3,), (4,)]


def test_a_seen_finding_has_its_place_and_a_segment(lung):
    nodule, opacity = lung("Clear.", seen("Lung nodule", 0.9), seen("Lung opacity", 0.4)).findings
    location = nodule.location
    assert (location.point_ras, location.extent_mm, location.focal) == (SPOT.point_ras, SPOT.extent_mm, True)
    assert location.lobe == "right upper lobe" and nodule.segment == "lung.Lung nodule"
    assert opacity.location is None and opacity.segment is None


def test_a_weak_map_gives_a_location_without_a_segment(lung):
    weak = dataclasses.replace(SPOT, focal=False, mask=None)
    (nodule,) = lung("A nodule.", seen("Lung nodule", 0.9, weak)).findings
    assert nodule.location is not None and not nodule.location.focal and nodule.segment is None


def test_the_place_is_the_heads_where_it_sees_the_finding_and_else_the_texts(lung):
    text = "A nodule of 6 mm is seen in the left lower lobe."
    (sure,) = lung(text, seen("Lung nodule", 0.9)).findings
    (doubted,) = lung(text, seen("Lung nodule", 0.4)).findings
    (lobe_from_text,) = lung(text, seen("Lung nodule", 0.9, side="left", level=None)).findings
    assert (sure.side, sure.level, sure.size_mm) == ("right", "upper", 14.2)
    assert (doubted.side, doubted.level, doubted.size_mm) == ("left", "lower", 6.0)
    assert lobe_from_text.location.lobe == "left lower lobe"


def test_a_model_without_finding_head_gives_what_its_text_says_in_the_same_form(lung):
    section = lung("A nodule of 6 mm is seen in the left lower lobe. No emphysema.")
    nodule, emphysema = section.findings
    assert (nodule.source, nodule.probability, nodule.location, nodule.segment) == ("text", None, None, None)
    assert (nodule.side, nodule.level, nodule.size_mm) == ("left", "lower", 6.0)
    assert emphysema.text is Status.ABSENT and section.disagreements == ()


@pytest.mark.parametrize(
    ("text", "probability", "words"),
    [
        ("A nodule is seen.", 0.29, ["The text says lung nodule; the finding detector calls it unlikely (29%)."]),
        ("A nodule is seen.", 0.31, []),
        ("A nodule is possible.", 0.1, []),
        ("No nodule.", 0.71, ["The text denies lung nodule; the finding detector calls it likely (71%)."]),
        ("No nodule.", 0.69, []),
        ("Clear.", 0.95, ["The text does not speak of lung nodule; the finding detector calls it very likely (95%)."]),
        ("Clear.", 0.6, []),
        ("A nodule in the right lung.", 0.9, []),
        (
            "A nodule in the left lung. No nodule in the right lung.",
            0.9,
            ["The text says lung nodule on the left; the finding detector sees it on the right."],
        ),
    ],
)
def test_text_and_head_that_disagree_are_told_of(lung, text, probability, words):
    assert lung(text, seen("Lung nodule", probability)).disagreements == tuple(words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A nodule of 12 mm is seen in the right upper lobe.", []),
        (
            "A nodule in the right lower lobe.",
            ["The text says lung nodule in the lower lobe; the finding detector sees it in the upper lobe."],
        ),
        ("A nodule in the right lower lobe. A nodule in the right upper lobe.", []),
        ("A nodule of 6 mm.", ["The text says lung nodule of 6 mm; the finding detector measures 14 mm."]),
        ("A nodule of 6 mm. A nodule of 13 mm.", []),
    ],
)
def test_text_and_head_that_see_another_lobe_or_size_are_told_of(lung, text, words):
    assert lung(text, seen("Lung nodule", 0.9)).disagreements == tuple(words)


def test_what_the_user_has_said_is_kept_and_settles_a_disagreement(lung):
    section = lung("No nodule.", seen("Lung nodule", 0.9), said={"Lung nodule": False, "Emphysema": True})
    nodule, emphysema = section.findings
    assert (nodule.said, emphysema.said) == (False, True) and section.disagreements == ()
    assert finding_words("lung", nodule).endswith("very likely (90%); not there by the user's word")
    assert finding_words("lung", emphysema) == "Emphysema: not in the text; there by the user's word"


@pytest.mark.parametrize(
    ("probability", "words"),
    [
        (1.0, "very likely (99%)"),
        (0.85, "likely (85%)"),
        (0.5, "possible (50%)"),
        (0.2, "unlikely (20%)"),
        (0.0, "very unlikely (1%)"),
    ],
)
def test_a_probability_is_words_and_a_number_and_never_certainty(probability, words):
    assert probability_words(probability) == words


def test_in_an_unlike_volume_no_finding_looks_sure(lung):
    strange = Familiarity(3.0, 1.5)
    section = lung("No emphysema.", seen("Lung nodule", 0.99), seen("Emphysema", 0.01), familiarity=strange)
    assert [finding_words("lung", finding) for finding in section.findings] == [
        "Lung nodule, right upper lobe, 14 mm: possible (99%, not calibrated for this volume)",
        "Emphysema: uncertain (1%, not calibrated for this volume)",
    ]
    assert not strange.familiar and not any(finding.calibrated for finding in section.findings)
    assert all(finding.calibrated for finding in lung("No emphysema.", familiarity=Familiarity(1.0, 1.5)).findings)


@pytest.fixture
def with_findings(report, lung) -> Report:
    section = lung("A nodule.", seen("Lung nodule", 0.9), seen("Atelectasis", 0.4), said={"Emphysema": False})
    return dataclasses.replace(report, sections=(section,), familiarity=Familiarity(1.0, 1.5))


def test_json_keeps_findings_and_says_what_follows_from_them(with_findings):
    assert Report.from_json(with_findings.to_json()) == with_findings
    values = json.loads(with_findings.to_json())
    assert values["familiarity"] == {"distance": 1.0, "limit": 1.5, "familiar": True}
    nodule = values["sections"][0]["findings"][0]
    assert (nodule["source"], nodule["text"], nodule["location"]["point_ras"]) == ("both", "present", [1.0, -2.0, 3.5])


@pytest.mark.parametrize("version", [1, 2])
def test_reports_of_older_versions_are_read_without_findings(report, version):
    def older(values):
        values["schema_version"] = version
        del values["familiarity"]
        if version == 1:
            del values["provenance"]["precision"]
        for section in values["sections"]:
            del section["findings"], section["disagreements"]
            for sentence in section["sentences"]:
                del sentence["findings"]

    read = Report.from_json(_changed(report, older))
    assert read.schema_version == 4 and read.familiarity is None and read.provenance.precision == "fp32"
    assert [(s.text, s.findings) for s in read.sections] == [(s.text, ()) for s in report.sections]


def test_disagreements_are_stored_and_found_anew_in_reports_of_the_version_without_them(report, lung):
    section = lung("No nodule.", seen("Lung nodule", 0.9))
    told = dataclasses.replace(report, sections=(section,))
    assert json.loads(told.to_json())["sections"][0]["disagreements"] == list(section.disagreements) != []

    def older(values):
        values["schema_version"] = 3
        del values["sections"][0]["disagreements"]

    assert Report.from_json(_changed(told, older)) == told


WRONG_FINDINGS = {
    "a source of its own": (lambda f: f.update(source="text"), "source .*'text'; the rest says otherwise"),
    "a point of two numbers": (lambda f: f["location"].update(point_ras=[1.0, 2.0]), "point_ras"),
    "an unknown status": (lambda f: f.update(text="perhaps"), "text .*'perhaps'"),
}


@pytest.mark.parametrize("case", WRONG_FINDINGS)
def test_a_finding_that_contradicts_itself_or_the_form_is_refused(with_findings, case):
    change, words = WRONG_FINDINGS[case]
    with pytest.raises(InputError, match=words):
        Report.from_json(_changed(with_findings, lambda values: change(values["sections"][0]["findings"][0])))


def test_a_sentence_that_speaks_of_a_finding_that_is_not_there_is_refused(with_findings):
    with pytest.raises(InputError, match="speaks of a finding that is not there"):
        Report.from_json(
            _changed(with_findings, lambda values: values["sections"][0]["sentences"][0].update(findings=[7]))
        )


def test_reports_are_read_where_scipy_is_not():
    without = "import sys; sys.modules.update(scipy=None, torch=None); import reg2rg.report.impression, reg2rg.report"
    subprocess.run([sys.executable, "-c", without], check=True, timeout=60)


def _changed(report: Report, change) -> str:
    values = json.loads(report.to_json())
    change(values)
    return json.dumps(values)


UNREADABLE = {
    "newer": (lambda v: v.update(schema_version=5), "schema version 5; this program reads 4"),
    "older": (lambda v: v.update(schema_version=0), "schema version 0"),
    "no version": (lambda v: v.pop("schema_version"), "no schema_version"),
    "missing field": (lambda v: v["sections"][1].pop("text"), r"report.sections\[1\].*has no text"),
    "unknown field": (lambda v: v.update(extra=1), "unknown 'extra'"),
    "unknown field of many lines": (lambda v: v.update({"a\nb" * 99: 1}), "unknown"),
    "version of many lines": (lambda v: v.update(schema_version="1\n2"), "schema version '1"),
    "not a number": (lambda v: v["sections"][0].update(mean_hu=float("nan")), "mean_hu .*nan; expected float"),
    "infinite": (lambda v: v["sections"][0].update(mean_hu=float("inf")), "mean_hu .*inf; expected float"),
    "too large": (lambda v: v["sections"][0].update(mean_hu=10**400), "mean_hu .*; expected float"),
    "unknown region": (lambda v: v["sections"][0].update(region="knee"), "Unknown region 'knee'"),
    "unknown region left out": (lambda v: v["without_section"].update(knee="why"), "Unknown region 'knee'"),
    "wrong type": (
        lambda v: v["sections"][0].update(volume_ml="big"),
        r"sections\[0\].volume_ml .*'big'; expected float",
    ),
    "unknown state": (lambda v: v["sections"][0].update(state="done"), "state .*'done'"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_an_older_or_broken_report_is_refused_in_one_line(report, case):
    change, words = UNREADABLE[case]
    with pytest.raises(InputError, match=words) as error:
        Report.from_json(_changed(report, change))
    assert "\n" not in str(error.value)


def test_an_error_gives_away_no_text_of_the_report(report):
    with pytest.raises(InputError, match="sections of the report is a dict") as error:
        Report.from_json(_changed(report, lambda v: v.update(sections={"0": v["sections"]})))
    assert "No effusion" not in str(error.value)


def test_what_could_not_be_read_back_is_not_written(report):
    with pytest.raises(ValueError):
        dataclasses.replace(report, sections=(dataclasses.replace(report.sections[0], mean_hu=float("nan")),)).to_json()


@pytest.mark.parametrize("text", ["", "[]", '"report"', '{"a": 1}', '{"schema_version": 1', "[" * 200_000])
def test_what_is_no_report_is_refused(text):
    with pytest.raises(InputError):
        Report.from_json(text)
