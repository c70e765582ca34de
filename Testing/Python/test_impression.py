"""The draft of an impression keeps the sentences that say more than that something is normal or absent."""

from __future__ import annotations

import pytest

from reg2rg.report.impression import draft_impression, is_worded_normal


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
def test_a_sentence_that_states_a_finding_is_not_worded_normal(sentence: str) -> None:
    assert not is_worded_normal(sentence)


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
def test_a_sentence_without_a_finding_is_worded_normal(sentence: str) -> None:
    assert is_worded_normal(sentence)


def test_the_impression_lists_the_findings_of_each_region() -> None:
    sections = [
        ("lung", "A nodule is seen. There is no consolidation."),
        ("heart", "The heart is normal."),
        ("pleura", "A left effusion is seen. It is small."),
    ]
    assert draft_impression(sections) == "Lungs: A nodule is seen.\nPleura: A left effusion is seen. It is small."


def test_the_impression_is_empty_without_findings() -> None:
    assert draft_impression([("lung", "The lungs are clear.")]) == ""
    assert draft_impression([("breast", "Not assessed.")]) == ""
    assert draft_impression([]) == ""


def test_a_denied_finding_is_left_out_whatever_the_wording() -> None:
    text = "The coronary arteries are not calcified. Fluid in the pericardium measures 12 mm. There is cardiomegaly."
    assert "calcified" not in draft_impression([("heart", text)])
    assert "cardiomegaly" in draft_impression([("heart", text)])


def test_an_abbreviation_does_not_cut_a_sentence_of_the_impression() -> None:
    text = "A nodule of approx. 5 mm is seen, e.g. a granuloma. Both lungs are clear."
    assert draft_impression([("lung", text)]) == "Lungs: A nodule of approx. 5 mm is seen, e.g. a granuloma."
