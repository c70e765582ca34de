"""A first impression holds the sentences that tell of findings."""

from __future__ import annotations

import pytest

from reg2rg.report.impression import draft_impression, holds_finding


@pytest.mark.parametrize(
    "sentence",
    [
        "A nodule measuring 20 mm is seen in the left upper lung zone.",
        "There is a small pericardial effusion.",
        "Mild cardiomegaly.",
        "The heart is normal, but the pericardium is thickened.",
        "Apart from a hiatal hernia the esophagus is unremarkable.",
    ],
)
def test_a_sentence_that_tells_of_a_finding_is_kept(sentence: str) -> None:
    assert holds_finding(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "No pneumothorax is seen.",
        "There is no focal consolidation.",
        "The lungs are clear.",
        "The heart is of normal size and shape.",
        "Mucus is not observed in the bronchi.",
        "Mediastinal lymph nodes are not enlarged.",
        "The thyroid parenchyma is homogeneous.",
        "No evidence of fracture.",
        "Otherwise the mediastinum is unremarkable.",
    ],
)
def test_a_sentence_that_tells_of_none_is_left_out(sentence: str) -> None:
    assert not holds_finding(sentence)


def test_the_impression_names_each_region_with_its_findings() -> None:
    sections = [
        ("lung", "A nodule is seen. There is no consolidation."),
        ("heart", "The heart is normal."),
        ("pleura", "A left effusion is seen. It is small."),
    ]
    assert draft_impression(sections) == "Lungs: A nodule is seen.\nPleura: A left effusion is seen. It is small."


def test_without_findings_the_impression_is_empty() -> None:
    assert draft_impression([("lung", "The lungs are clear.")]) == ""
    assert draft_impression([]) == ""


def test_a_finding_that_is_denied_in_any_words_is_left_out() -> None:
    text = "The coronary arteries are not calcified. Fluid in the pericardium measures 12 mm. There is cardiomegaly."
    assert "calcified" not in draft_impression([("heart", text)])
    assert "cardiomegaly" in draft_impression([("heart", text)])
