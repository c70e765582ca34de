"""The report says what was written and measured, keeps it through JSON, and refuses what is no report."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import SimpleITK as sitk

from reg2rg import DRAFT_LABEL
from reg2rg.errors import InputError
from reg2rg.generation import TextToken, WrittenSection
from reg2rg.report import Geometry, Provenance, Report, State, build_report, split_sentences
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


def written(region: str, text: str, recognised: str | None, tokens=(), complete: bool = True) -> WrittenSection:
    return WrittenSection(region, recognised, text, tuple(tokens), complete)


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


def _changed(report: Report, change) -> str:
    values = json.loads(report.to_json())
    change(values)
    return json.dumps(values)


UNREADABLE = {
    "newer": (lambda v: v.update(schema_version=4), "schema version 4; this program reads 3"),
    "older": (lambda v: v.update(schema_version=0), "schema version 0"),
    "no version": (lambda v: v.pop("schema_version"), "no schema_version"),
    "missing field": (lambda v: v["sections"][1].pop("text"), r"report.sections\[1\].*has no text"),
    "unknown field": (lambda v: v.update(extra=1), "unknown 'extra'"),
    "unknown field of many lines": (lambda v: v.update({"a\nb" * 99: 1}), "unknown"),
    "version of many lines": (lambda v: v.update(schema_version="1\n2"), "schema version '1"),
    "not a number": (lambda v: v["sections"][0].update(mean_hu=float("nan")), "mean_hu .*nan; expected float"),
    "infinite": (lambda v: v["sections"][0].update(mean_hu=float("inf")), "mean_hu .*inf; expected float"),
    "too large": (lambda v: v["sections"][0].update(mean_hu=10**400), "mean_hu .*; expected float"),
    "unknown region": (lambda v: v["sections"][0].update(region="knee"), "No region is called 'knee'"),
    "unknown region left out": (lambda v: v["without_section"].update(knee="why"), "No region is called 'knee'"),
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Clear. No nodule.", ["Clear.", "No nodule."]),
        ("A 5.5 mm nodule is seen. Normal otherwise", ["A 5.5 mm nodule is seen.", "Normal otherwise"]),
        ("Measures approx. 5 mm. Seen by Dr. Who.", ["Measures approx. 5 mm.", "Seen by Dr. Who."]),
        ("  Spaces.   5 mm node?  ", ["Spaces.", "5 mm node?"]),
        (
            "Station No. 7 is large. Effusion? No. Heart normal.",
            ["Station No. 7 is large.", "Effusion?", "No.", "Heart normal."],
        ),
        ("1. Nodule. 2. St. Jude valve.", ["1. Nodule.", "2. St. Jude valve."]),
        ("", []),
    ],
)
def test_sentences_are_told_apart(text, expected):
    assert [text[start:end] for start, end in split_sentences(text)] == expected
