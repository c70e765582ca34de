"""The content of a report: the one view that is shown and exported."""

from __future__ import annotations

import dataclasses

import pytest
from reports_under_review import reviewed_report, signed_report, stored_report

from reg2rg.about import DRAFT_LABEL
from reg2rg.measurements import measured_sentence
from reg2rg.report import (
    MODEL_TEXT_HIDDEN,
    MeasurementDecision,
    Report,
    ReviewState,
    content_text,
    report_content,
)
from reg2rg.report.review_changes import begin_review, with_decision, with_impression

NODULE = "A 9 mm nodule is present in the left lower lobe."


@pytest.fixture(scope="module")
def report() -> Report:
    return stored_report()


@pytest.fixture(scope="module")
def unlike() -> Report:
    return stored_report(out_of_distribution=True)


def section_of(report: Report, region: str):
    return next(section for section in report_content(report).sections if section.region == region)


def test_an_unreviewed_report_is_a_draft_with_a_banner_and_an_impression(report):
    content = report_content(report)
    assert (content.status, content.banner, content.signature) == ("draft", DRAFT_LABEL, None)
    assert content.impression and {section.state for section in content.sections} == {ReviewState.DRAFT}
    assert content == report_content(begin_review(report))


def test_the_sentences_of_a_section_are_its_whole_text(report):
    for text in (report.section("lung").text, "No nodule!  Or \n\n maybe (3.5 mm) one", "", "\n"):
        lung = section_of(reviewed_report(report, lung=text), "lung")
        sentences = [sentence.text for sentence in lung.sentences if not sentence.measured]
        assert "".join("".join(sentences).split()) == "".join(text.split())


def test_a_sentence_points_to_the_finding_it_mentions_and_to_its_measurement(report):
    sentence = section_of(report, "lung").sentences[0]
    finding, measurement = sentence.targets
    assert finding.finding.label == "Lung nodule" and finding.finding.segment == "lung.Lung nodule"
    assert measurement.measurement.key == "finding_diameter/lung/lung nodule"


def test_a_measured_sentence_points_to_its_measurement(report):
    measured = [sentence for sentence in section_of(report, "lung").sentences if sentence.measured]
    assert measured
    for sentence in measured:
        (target,) = sentence.targets
        assert measured_sentence(target.measurement) == sentence.text


def test_a_sentence_about_nothing_in_particular_points_to_its_region(report):
    (sentence,) = [s for s in section_of(reviewed_report(report, heart="Nice."), "heart").sentences if not s.measured]
    (target,) = sentence.targets
    assert (target.region, target.finding, target.measurement) == ("heart", None, None)


def test_the_sentences_of_an_edited_text_point_to_its_findings(report):
    lung = section_of(reviewed_report(report, lung=f"All clear. {NODULE}"), "lung")
    assert lung.state is ReviewState.EDITED
    first, second = (sentence for sentence in lung.sentences if not sentence.measured)
    assert first.targets[0].finding is None and second.targets[0].finding.label == "Lung nodule"
    assert second.targets[0].finding.location == report.section("lung").findings[0].location


def test_a_removed_measurement_is_not_in_the_content(report):
    stated = next(m for m in report.evidence.of("lung") if measured_sentence(m) in report.section("lung").measured)
    lung = section_of(with_decision(begin_review(report), stated.key, MeasurementDecision(removed=True)), "lung")
    assert stated.key not in {m.key for m in lung.measurements}
    assert measured_sentence(stated) not in {sentence.text for sentence in lung.sentences}


def test_measurements_without_a_value_are_left_out(report):
    assert any(m.value is None for m in report.evidence.measurements)
    assert all(m.value is not None for section in report_content(report).sections for m in section.measurements)


@pytest.mark.parametrize("finish", [reviewed_report, signed_report])
def test_a_rejected_section_is_listed_as_not_described(report, finish):
    content = report_content(finish(report, lung=None))
    assert [section.region for section in content.sections] == ["heart"]
    assert ("lung", "rejected by the reviewer") in content.skipped
    assert "Lungs: rejected by the reviewer" in content_text(content)
    assert report.section("lung").text not in content_text(content)


def test_a_signed_report_contains_what_the_reviewer_stated_and_nothing_that_only_the_model_saw(report):
    content = report_content(signed_report(report, lung=NODULE))
    lung = next(section for section in content.sections if section.region == "lung")
    assert (content.status, content.banner, content.warnings) == ("signed", None, ())
    assert [finding.label for finding in lung.findings] == ["Lung nodule"]
    assert lung.finding_lines[0].endswith(": in the text") and "%" not in lung.finding_lines[0]
    assert all(section.warnings == () and section.folded is None for section in content.sections)


def test_the_size_of_a_finding_leaves_the_report_with_the_finding(report):
    def sizes(finished: Report) -> list[str]:
        return [m.part for m in section_of(finished, "lung").measurements if m.measure == "finding_diameter"]

    assert len(sizes(report)) == 3
    signed = signed_report(report, lung=NODULE)
    assert sizes(signed) == ["lung nodule"]
    assert "Mean diameter, atelectasis" in content_text(report_content(report))
    assert "Mean diameter, atelectasis" not in content_text(report_content(signed))
    lung = report.section("lung")
    findings = tuple(dataclasses.replace(f, correction=False) for f in lung.findings)
    denied = dataclasses.replace(report, sections=(dataclasses.replace(lung, findings=findings), *report.sections[1:]))
    assert sizes(denied) == [], "also in a draft"


def test_text_that_is_hidden_is_folded_and_leaves_the_measured_sentences(unlike):
    lung = section_of(unlike, "lung")
    assert lung.text == "" and lung.sentences and all(sentence.measured for sentence in lung.sentences)
    assert lung.folded.text == unlike.section("lung").text and lung.folded.finding_lines
    assert [finding.label for finding in lung.findings] == ["Emphysema"], "a reviewer marked it"
    assert lung.findings[0].probability is None and lung.findings[0].location is None


def test_hidden_text_is_in_the_plain_text_only_if_asked_for(unlike):
    content, model_text = report_content(unlike), unlike.section("lung").text.split(".")[0]
    assert model_text not in content_text(content)
    with_it = content_text(content, with_model_text=True)
    assert model_text in with_it and f"[{MODEL_TEXT_HIDDEN}:]" in with_it


def test_an_edited_section_of_an_unlike_volume_contains_the_reviewers_text_alone(unlike):
    lung = section_of(reviewed_report(unlike, lung=NODULE), "lung")
    assert lung.text == NODULE and not any(sentence.measured for sentence in lung.sentences)
    assert [finding.label for finding in lung.findings][0] == "Lung nodule" and lung.findings[0].probability is None
    assert lung.folded is not None and section_of(signed_report(unlike, lung=NODULE), "lung").folded is None


def test_unreviewed_sections_are_marked_while_others_are_reviewed(report):
    partly = dataclasses.replace(
        (reviewed := reviewed_report(report)),
        review=dataclasses.replace(
            reviewed.review, sections={**reviewed.review.sections, "lung": begin_review(report).review.sections["lung"]}
        ),
    )
    headings = [line for line in partly.to_text().splitlines() if " mL, mean " in line]
    assert [heading.endswith("[not reviewed]") for heading in headings] == [True, False]


def test_an_impression_of_white_space_is_none(report):
    blank = with_impression(begin_review(report), " \n\t ")
    assert report_content(blank).impression == "" and "IMPRESSION" not in blank.to_text()


def test_the_reviewers_impression_is_shown(report):
    assert (
        "IMPRESSION\nOne nodule.\nNothing else."
        in with_impression(begin_review(report), "One nodule.\nNothing else.").to_text()
    )
