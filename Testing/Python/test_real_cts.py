"""Reports of real CTs contain nothing that was not measured, apart from the model's text, which is not shown."""

from __future__ import annotations

from pathlib import Path

import pytest

import reg2rg
from reg2rg.labeler import Status, extract_mentions, split_sentences
from reg2rg.measurements import NOT_ASSESSED, measured_sentence
from reg2rg.measurements.sentences import MEANING
from reg2rg.regions import get_region
from reg2rg.report import Report, draft_impression

VOLUMES = (
    *(f"data/real/{number}.nii.gz" for number in ("01", "02", "07", "08", "09", "16", "17", "18")),
    "data/real/dicom/scout_and_ct_jpegls",
    "data/ct/chest_ct_01.nii.gz",
    "data/ct/chest_ct_02.nii.gz",
    "data/ct/heart_crop_contrast_ct.nii.gz",
)


@pytest.fixture(scope="module", params=VOLUMES)
def report(request, shared: Path, tmp_path_factory) -> Report:
    folder = tmp_path_factory.mktemp("real")
    # The text is hidden, so that a few words of it are enough.
    return reg2rg.generate_report(
        shared / request.param, folder, segmenter="thresholds", max_new_tokens=8, progress=False
    )


@pytest.mark.slow
def test_the_draft_of_a_real_ct_claims_only_what_was_measured(report: Report) -> None:
    assert report.out_of_distribution is not None and report.out_of_distribution.detected
    assert report.evidence is not None
    stated = {measured_sentence(measurement) for measurement in report.evidence.measurements}
    for section in report.sections:
        assert section.model_text_hidden and section.listed_findings == ()
        for start, end in split_sentences(section.draft):
            sentence = section.draft[start:end]
            assert sentence in stated or sentence == NOT_ASSESSED
            for mention in extract_mentions(sentence, section.region):
                assert mention.status is Status.PRESENT and MEANING in sentence, f"{mention.label} is not backed"


@pytest.mark.slow
def test_the_text_of_a_real_report_consists_of_technique_and_measurements(report: Report) -> None:
    text = report.to_text()
    body = text[text.index("TECHNIQUE") : text.index("NOT DESCRIBED")]
    paragraphs = body.strip().split("\n\n")[1:]
    assert len(paragraphs) == len(report.sections)
    for section, paragraph in zip(report.sections, paragraphs, strict=True):
        heading, *lines = paragraph.splitlines()
        assert heading.startswith(get_region(section.region).display_name.upper())
        assert " ".join(" ".join(lines).split()) == " ".join(f"= {sentence}" for sentence in section.measured)


@pytest.mark.slow
def test_the_impression_of_a_real_report_contains_named_values_only(report: Report) -> None:
    drafts = [(section.region, section.draft) for section in report.sections]
    measured = [sentence for section in report.sections for sentence in section.measured]
    for line in draft_impression(drafts, measured).splitlines():
        name, _, sentences = line.partition(": ")
        assert all(MEANING in sentences[start:end] for start, end in split_sentences(sentences)), name
