"""Drafts of real CTs state measurements, and only those findings of the model that are supported in CTs."""

from __future__ import annotations

from pathlib import Path

import pytest

import reg2rg
from reg2rg.labeler import Status, extract_mentions, split_sentences
from reg2rg.measurements import NOT_ASSESSED, measured_sentence
from reg2rg.measurements.sentences import MEANING
from reg2rg.planting import read_host_list
from reg2rg.report import Report, Section, draft_impression

VOLUMES = (
    *(f"data/real/{number}.nii.gz" for number in ("01", "02", "07", "08", "09", "16", "17", "18")),
    "data/real/dicom/scout_and_ct_jpegls",
    "data/ct/chest_ct_01.nii.gz",
    "data/ct/chest_ct_02.nii.gz",
    "data/ct/heart_crop_contrast_ct.nii.gz",
)


@pytest.fixture(scope="module")
def reports(shared: Path, tmp_path_factory) -> dict[str, Report]:
    folder = tmp_path_factory.mktemp("real")
    return {
        name: reg2rg.generate_report(shared / name, folder / str(number), segmenter="thresholds", progress=False)
        for number, name in enumerate(VOLUMES)
    }


def claims(section: Section) -> set[str]:
    """Return the findings that the model's part of a section states."""
    return {
        mention.label for mention in extract_mentions(section.text, section.region) if mention.status is Status.PRESENT
    }


@pytest.mark.slow
def test_a_draft_states_measurements_and_supported_findings_only(reports: dict[str, Report]) -> None:
    for name, report in reports.items():
        supported = set(report.supported or ())
        for section in report.sections:
            if section.model_text_hidden:
                continue
            for start, end in split_sentences(section.text):
                sentence = section.text[start:end]
                mentions = extract_mentions(sentence, section.region)
                assert mentions, f"{name}: '{sentence}' states nothing that is supported"
                assert {mention.label for mention in mentions} <= supported, f"{name}: {sentence}"
                assert all(mention.status is Status.PRESENT for mention in mentions), f"{name}: {sentence}"


@pytest.mark.slow
def test_at_most_every_second_draft_states_something_that_nobody_sees(
    reports: dict[str, Report], repository: Path
) -> None:
    hosts = read_host_list(repository / "Resources/Training/real_cts.yaml")
    possible = {host.file.as_posix(): frozenset(host.unknown) for host in hosts}
    false = {
        name: {label for section in report.sections if not section.model_text_hidden for label in claims(section)}
        - possible.get(name.removeprefix("data/"), frozenset())
        for name, report in reports.items()
    }
    assert not any("Pneumothorax" in labels for labels in false.values())
    assert sum(map(len, false.values())) <= 0.5 * len(false), false


@pytest.mark.slow
def test_the_measured_sentences_of_a_draft_are_those_of_its_measurements(reports: dict[str, Report]) -> None:
    for name, report in reports.items():
        assert report.evidence is not None
        measured = {measured_sentence(measurement) for measurement in report.evidence.measurements}
        for section in report.sections:
            assert set(section.measured) <= measured | {NOT_ASSESSED}, f"{name}: {section.region}"


@pytest.mark.slow
def test_what_a_measurement_means_enters_the_impression_with_its_cutoff(reports: dict[str, Report]) -> None:
    for name, report in reports.items():
        measured = [sentence for section in report.sections for sentence in section.measured]
        lines = draft_impression([(section.region, "") for section in report.sections], measured).splitlines()
        for line in lines:
            _, _, sentences = line.partition(": ")
            assert all(MEANING in sentences[start:end] for start, end in split_sentences(sentences)), f"{name}: {line}"
