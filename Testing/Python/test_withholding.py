"""Withholding: a draft states only findings whose precision was shown on volumes of the same kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from perfect_detection import locate_planted
from test_report import generated, provenance

from reg2rg.inference.detection import DetectedRegion, RegionDetection, recalibrate, select_cues
from reg2rg.measurements import measure
from reg2rg.models.config import FindingConfig
from reg2rg.models.cue_encoder import Cues
from reg2rg.phantom import PhantomCase, PlantedFinding, make_phantom
from reg2rg.phantom.case import PhantomConfig
from reg2rg.report import (
    MODEL_TEXT_WITHHELD,
    Finding,
    OutOfDistribution,
    Report,
    ReportBuilder,
    ReviewState,
    SectionReview,
    parse_report,
    report_content,
    supported_warning,
)
from reg2rg.report.linking import TextToken
from reg2rg.report.review_changes import begin_review, with_section_review
from reg2rg.report.withholding import DraftRule, withhold_sentences

NODULE = "A nodule of 18 mm is found in the left lower lobe."
EMPHYSEMA = "There is emphysema."
DENIAL = "There is no consolidation."
TEXT = f"{EMPHYSEMA} {NODULE} {DENIAL}"


@pytest.fixture(scope="module")
def case() -> PhantomCase:
    nodule = PlantedFinding("Lung nodule", "lung", "left", "lower", 18)
    return make_phantom(302, PhantomConfig(size=(192, 192, 144)), [nodule])


@pytest.fixture(scope="module")
def make_report(case: PhantomCase) -> Callable[..., Report]:
    """Return a function that builds a report of the lungs from the labels that it may state."""
    evidence = measure(case.volume, case.structures, case.masks)

    def make(supported: tuple[str, ...] | None, corrections: dict[str, dict[str, bool]] | None = None) -> Report:
        builder = ReportBuilder(
            case.volume,
            case.masks,
            detected=locate_planted(case).findings,
            evidence=evidence,
            out_of_distribution=OutOfDistribution(1.0, 1.2, "CTs"),
            supported=supported,
            corrections=corrections,
        )
        return builder.report([generated("lung", TEXT, "lung")], provenance(case.volume), {})

    return make


def test_a_draft_states_supported_findings_and_folds_everything_else_away(make_report) -> None:
    report = make_report(("Lung nodule",))
    lung = report.section("lung")
    assert (lung.text, lung.withheld) == (NODULE, f"{EMPHYSEMA} {DENIAL}")
    assert [finding.label for finding in lung.listed_findings] == ["Lung nodule"]
    (section,) = report_content(report).sections
    assert section.text == NODULE and any(sentence.measured for sentence in section.sentences)
    assert section.folded is not None
    assert (section.folded.heading, section.folded.text) == (MODEL_TEXT_WITHHELD, f"{EMPHYSEMA} {DENIAL}")
    assert parse_report(report.to_json()) == report


def test_a_supported_finding_is_stated_only_where_it_is_detected(make_report) -> None:
    lung = make_report(("Emphysema", "Lung nodule")).section("lung")
    assert (lung.text, lung.withheld) == (NODULE, f"{EMPHYSEMA} {DENIAL}"), "the finding head detects only the nodule"


def test_a_section_without_supported_findings_consists_of_measurements(make_report) -> None:
    report = make_report(("Pleural effusion",))
    lung = report.section("lung")
    assert lung.text == "" and lung.draft == " ".join(lung.measured) and lung.measured
    assert lung.listed_findings == () and lung.withheld == TEXT
    assert [finding.label for finding in lung.withheld_findings] == ["Lung nodule"]
    assert NODULE not in report.to_text() and "Lung nodule" not in report.to_text()
    page = report._repr_html_()
    before, _, folded = page.partition("<details>")
    assert NODULE not in before and NODULE in folded and "Lung nodule, left lower lobe" in folded


def test_everything_is_stated_if_all_findings_are_supported(make_report) -> None:
    lung = make_report(None).section("lung")
    assert lung.text == TEXT and lung.withheld == "" and not lung.has_folded_text
    assert make_report(None).warnings == ()


def test_the_reader_is_told_what_the_draft_may_state(make_report) -> None:
    assert make_report(("Lung nodule",)).warnings == (supported_warning(("Lung nodule",)),)
    assert "demonstrated only for: lung nodule. All other" in make_report(("Lung nodule",)).to_text()
    assert "demonstrated only for: no finding. All other" in make_report(()).to_text()


def test_a_finding_that_a_reviewer_marked_may_be_stated_and_denied(make_report) -> None:
    lung = make_report((), {"lung": {"Emphysema": True, "Consolidation": False}}).section("lung")
    assert lung.text == f"{EMPHYSEMA} {DENIAL}" and lung.withheld == NODULE


def test_an_edit_of_a_section_of_measurements_replaces_them(make_report) -> None:
    report = begin_review(make_report(()))
    edited = with_section_review(report, "lung", SectionReview(ReviewState.EDITED, "Clear lungs."))
    (section,) = report_content(edited).sections
    assert [sentence.text for sentence in section.sentences] == ["Clear lungs."]


def test_an_accepted_section_of_measurements_states_each_once(make_report) -> None:
    report = begin_review(make_report(()))
    draft = report.section("lung").draft
    accepted = with_section_review(report, "lung", SectionReview(ReviewState.ACCEPTED, draft))
    (section,) = report_content(accepted).sections
    assert " ".join(sentence.text for sentence in section.sentences) == draft


def test_the_tokens_of_a_shown_sentence_move_with_it() -> None:
    start = TEXT.index(NODULE)
    tokens = [TextToken(0, start, 0.1), TextToken(start, start + 8, 0.9), TextToken(start + 8, len(TEXT), 0.7)]
    rule = DraftRule(("Lung nodule",), {"lung": (Finding("Lung nodule", 0.9),)}, {})
    divided = withhold_sentences("lung", TEXT, tokens, rule)
    assert [(token.start, token.end, token.probability) for token in divided.tokens] == [
        (0, 8, 0.9),
        (8, len(NODULE), 0.7),
    ]


def test_the_language_model_gets_no_cues_of_findings_that_it_may_not_state() -> None:
    config = FindingConfig(labels=("Emphysema", "Lung nodule"), cues=1)
    zeros = torch.zeros(1, 2)
    cues = Cues(torch.tensor([[0.9, 0.8]]), zeros.long(), zeros.long(), zeros, zeros, torch.zeros(1, 0, 2))
    assert select_cues(config, cues, ("Lung nodule",)).probability.tolist()[0] == pytest.approx([0.0, 0.8])
    unlikely = replace(cues, probability=torch.tensor([[0.9, 0.4]]))
    assert select_cues(config, unlikely, config.labels).probability.tolist()[0] == pytest.approx([0.9, 0.0])


def test_probabilities_are_calibrated_for_the_kind_of_volume() -> None:
    zeros = torch.zeros(1, 1)
    cues = Cues(torch.tensor([[0.8]]), zeros.long(), zeros.long(), zeros, zeros, torch.zeros(1, 0))
    region = RegionDetection(DetectedRegion((Finding("Emphysema", 0.8),), {}), cues, torch.zeros(1))
    halved = recalibrate(region, 0.5)  # logit(0.8) = log(4), and half of it is log(2)
    assert halved.cues.probability.item() == pytest.approx(2 / 3)
    assert halved.detected.findings[0].probability == pytest.approx(2 / 3)
    assert recalibrate(region, 1.0) is region
