"""The rules on the sentences of labeler_sentences.tsv, and on single sentences that show one rule each."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from reg2rg.errors import InputError
from reg2rg.labeler import (
    ALL_LABELS,
    FURTHER_LABELS,
    LABELS,
    Mention,
    RuleLabeler,
    Status,
    extract_mentions,
    side_and_level,
)

WHOLE = "whole"
FURTHER = "further"
Row = tuple[str | None, str, frozenset[tuple]]
SCORES = {
    "present": lambda found: {finding[0] for finding in found if finding[1] is Status.PRESENT},
    "status": lambda found: {finding[:2] for finding in found},
    "sides": lambda found: {finding[:3] for finding in found},
    "levels": lambda found: {(*finding[:2], finding[3]) for finding in found},
    "size": lambda found: {(*finding[:2], finding[4]) for finding in found},
    "exact": lambda found: set(found),
}


def _names(text: str) -> frozenset[str]:
    return frozenset() if text == "-" else frozenset(text.split("+"))


def _expected(text: str) -> tuple:
    label, status, sides, levels, size = text.split(":")
    assert label in ALL_LABELS
    return label, Status(status), _names(sides), _names(levels), None if size == "-" else float(size)


@pytest.fixture(scope="module")
def groups(repository: Path) -> dict[str, list[Row]]:
    lines = (repository / "Testing" / "Data" / "labeler_sentences.tsv").read_text(encoding="utf-8").splitlines()
    groups: dict[str, list[Row]] = {}
    for line in lines:
        if not line.startswith("#"):
            group, region, sentence, findings = line.split("\t")
            expected = frozenset() if findings == "-" else frozenset(_expected(part) for part in findings.split("; "))
            groups.setdefault(group, []).append((None if region == WHOLE else region, sentence, expected))
    return groups


@pytest.fixture(scope="module")
def published(groups: dict[str, list[Row]]) -> list[Row]:
    """Return the rows of the published labels."""
    return [row for group, rows in groups.items() if group != FURTHER for row in rows]


@pytest.fixture(scope="module")
def rows(groups: dict[str, list[Row]]) -> list[Row]:
    return [row for rows in groups.values() for row in rows]


def _as_tuple(mention: Mention) -> tuple:
    return mention.label, mention.status, mention.sides, mention.levels, mention.size_mm


def _f1(rows: list[Row], score: str, labels: tuple[str, ...]) -> float:
    """Return the micro F1 over the rows; a mention is correct if it agrees in what ``score`` compares."""
    correct = extracted = expected = 0
    for region, sentence, findings in rows:
        mentions = [_as_tuple(mention) for mention in extract_mentions(sentence, region) if mention.label in labels]
        ours, theirs = SCORES[score](mentions), SCORES[score](findings)
        correct, extracted, expected = correct + len(ours & theirs), extracted + len(ours), expected + len(theirs)
    return 2 * correct / (extracted + expected)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize(
    ("group", "least"), {"developed": 0.97, "held out": 0.97, "plain": 0.94, "misread": 1.0, "": 0.97}.items()
)
def test_the_rules_reach_their_scores_on_the_test_set(
    groups: dict[str, list[Row]], published: list[Row], group: str, least: float, score: str
):
    chosen = groups[group] if group else published
    f1 = _f1(chosen, score, LABELS)
    print(f"{group or 'all'}, {len(chosen)} sentences, {score}: F1 {f1:.4f}")
    assert f1 >= least


@pytest.mark.parametrize("score", SCORES)
def test_the_rules_reach_their_scores_on_the_further_labels(groups: dict[str, list[Row]], score: str):
    f1 = _f1(groups[FURTHER], score, ALL_LABELS)
    print(f"{FURTHER}, {len(groups[FURTHER])} sentences, {score}: F1 {f1:.4f}")
    assert f1 >= 0.97


def test_the_test_set_has_every_further_label_in_every_status(groups: dict[str, list[Row]]):
    covered = {finding[:2] for _, _, expected in groups[FURTHER] for finding in expected}
    assert covered >= {(label, status) for label in FURTHER_LABELS for status in Status}


def test_the_test_set_covers_labels_statuses_places_and_sizes(rows: list[Row], published: list[Row]):
    assert len(published) >= 300 and len({(region, sentence) for region, sentence, _ in rows}) == len(rows)
    findings = [finding for _, _, expected in published for finding in expected]
    for status in (Status.PRESENT, Status.ABSENT):
        assert {finding[0] for finding in findings if finding[1] is status} == set(LABELS)
    assert {side for finding in findings for side in finding[2]} == {"left", "right"}
    assert {"upper", "middle", "lower", "lingula"} <= {level for finding in findings for level in finding[3]}
    assert sum(finding[4] is not None for finding in findings) >= 40
    assert sum(not expected for *_, expected in published) >= 20, "sentences without any of the findings"


def test_no_sentence_of_the_test_set_is_copied_from_the_released_reports(rows: list[Row], shared: Path):
    texts = [path.read_text(encoding="utf-8") for path in (shared / "reference" / "published").glob("*_reports.csv")]
    long_sentences = [sentence for _, sentence, _ in rows if len(sentence.split()) > 4]
    copied = [sentence for sentence in long_sentences if any(sentence in text for text in texts)]
    assert copied == []


def _statuses(text: str, region: str | None = None) -> set[tuple[str, str]]:
    return {(mention.label, mention.status.value) for mention in extract_mentions(text, region)}


@pytest.mark.parametrize(
    ("text", "region", "expected"),
    [
        ("Effusion is seen.", "pleura", {("Pleural effusion", "present")}),
        ("Effusion is seen.", "heart", {("Pericardial effusion", "present")}),
        ("Effusion is seen.", "abdomen", set()),
        ("Atherosclerotic calcification is seen.", "heart", {("Coronary artery wall calcification", "present")}),
        ("Atherosclerotic calcification is seen.", "mediastinum", {("Arterial wall calcification", "present")}),
        ("A 12 mm nodule is seen.", "lung", {("Lung nodule", "present")}),
        ("A 12 mm nodule is seen.", "thyroid", {("Thyroid nodule", "present")}),
        ("A 12 mm nodule is seen.", "breast", {("Breast mass", "present")}),
        ("A 12 mm nodule is seen.", "abdomen", set()),
        ("A hernia is seen.", "esophagus", {("Hiatal hernia", "present")}),
        ("A hernia is seen.", "abdomen", set()),
    ],
)
def test_the_region_decides_what_an_ambiguous_word_means(text: str, region: str, expected: set):
    assert _statuses(text, region) == expected


@pytest.mark.parametrize(
    "text",
    [
        "No mass, nodule, consolidation or effusion.",
        "Nodule, consolidation and effusion were not detected.",
        "Effusion-thickening was not observed; no nodule or consolidation.",
        "Nodule was not observed, and there is no consolidation or effusion.",
        "There is no finding in favor of nodule, consolidation or effusion.",
        "Without nodule, consolidation or effusion.",
        "Neither nodule nor consolidation nor effusion is seen.",
    ],
)
def test_a_negation_denies_every_finding_it_lists(text: str):
    denied = {(label, "absent") for label in ("Lung nodule", "Consolidation", "Pleural effusion")}
    assert {finding for finding in _statuses(text, "lung") if finding[0] != "Lung opacity"} == denied


@pytest.mark.parametrize(
    "text",
    [
        "Lytic or sclerotic lesion is not observed.",
        "No lytic or sclerotic lesion is seen.",
        "There is no sclerotic, lytic or destructive lesion.",
        "Lytic-sclerotic lesions were not detected in the bones.",
    ],
)
def test_one_negation_denies_lytic_and_sclerotic_lesions(text: str):
    assert _statuses(text, "bone") == {("Lytic bone lesion", "absent"), ("Sclerotic bone lesion", "absent")}


@pytest.mark.parametrize(
    ("text", "region", "expected"),
    [
        ("A nodule is seen.", "lung", (None, None)),
        ("A nodule is seen in the left lower lobe.", "lung", ("left", "lower")),
        ("Nodules are seen in both lungs.", "lung", ("both", None)),
        ("A nodule is seen in the lingula.", "lung", (None, "upper")),
        ("A nodule is seen in the left upper lobe and lingula.", "lung", ("left", "upper")),
        ("Nodules are seen in the upper and lower lobes.", "lung", (None, None)),
        ("Calcified plaques are seen in the aortic arch.", "mediastinum", (None, None)),
        ("A lytic lesion is seen in the middle thoracic spine.", "bone", (None, "middle")),
    ],
)
def test_side_and_level_are_one_word_each(text: str, region: str, expected: tuple):
    assert [side_and_level(mention) for mention in extract_mentions(text, region)] == [expected]


def test_the_published_labels_are_read_as_if_there_were_no_other_labels():
    text = "Pleural effusion and, on the left, thickening of 6 mm are seen."
    findings = {mention.label: mention for mention in extract_mentions(text, "pleura")}
    assert set(findings) == {"Pleural effusion", "Pleural thickening"}
    assert findings["Pleural thickening"].sides == {"left"} and findings["Pleural thickening"].size_mm == 6
    alone = extract_mentions(text.replace("thickening", "something"), "pleura")
    assert [(mention.sides, mention.size_mm) for mention in alone] == [
        (findings["Pleural effusion"].sides, findings["Pleural effusion"].size_mm)
    ]


def test_the_rule_labeler_assigns_the_published_labels_only():
    texts = ["Pneumothorax is seen.", "No pneumothorax, but effusion is seen."]
    assert RuleLabeler().label(texts, "pleura").sum(axis=1).tolist() == [0, 1]


@pytest.mark.parametrize(
    "text",
    [
        "A nodule was not observed, but consolidation is.",
        "No nodule is seen and there is consolidation.",
        "Consolidation is seen, a nodule was not detected.",
        "There is consolidation, and a nodule was not seen.",
        "There is consolidation without a nodule.",
        "No nodule is seen except for consolidation.",
    ],
)
def test_a_negation_does_not_reach_the_next_clause(text: str):
    assert _statuses(text, "lung") == {("Lung nodule", "absent"), ("Consolidation", "present")}


@pytest.mark.parametrize("text", ["No new nodule is seen.", "No other nodule was detected.", "No additional nodule."])
def test_no_new_finding_is_neither_present_nor_absent(text: str):
    assert _statuses(text, "lung") == set()


@pytest.mark.parametrize("text", ["No change in the nodules.", "The nodule was not seen in the previous examination."])
def test_a_finding_that_is_compared_with_an_earlier_one_is_present(text: str):
    assert _statuses(text, "lung") == {("Lung nodule", "present")}


@pytest.mark.parametrize(
    ("phrase", "size_mm"),
    [
        ("of 5.5 mm", 5.5),
        ("of 5,5 mm", 5.5),
        ("of 1.2 cm", 12),
        ("measuring 9x6 mm", 9),
        ("measuring 20 mm x 15 mm", 20),
        ("measuring 3-4 mm", 4),
        ("reaching 11 mm", 11),
        ("of millimetric size", None),
        ("smaller than 5 mm", None),
        ("not exceeding 1 cm", None),
        ("in segment 6", None),
    ],
)
def test_sizes_are_in_mm_and_limits_are_not_sizes(phrase: str, size_mm: float | None):
    assert [mention.size_mm for mention in extract_mentions(f"A nodule {phrase} is seen.", "lung")] == [size_mm]


def test_a_size_belongs_to_the_finding_next_to_it():
    findings = extract_mentions("A 5 mm nodule, emphysema and a consolidation of 3 cm are seen.", "lung")
    assert {finding.label: finding.size_mm for finding in findings} == {
        "Lung nodule": 5,
        "Emphysema": None,
        "Consolidation": 30,
    }


BOTH, UPPER, LOWER = {"left", "right"}, {"upper"}, {"lower"}


@pytest.mark.parametrize(
    ("text", "emphysema", "bronchiectasis"),
    [
        ("Emphysema and bronchiectasis are seen in the left lower lobe.", ({"left"}, LOWER), ({"left"}, LOWER)),
        ("In the left lower lobe emphysema and bronchiectasis are seen.", ({"left"}, LOWER), ({"left"}, LOWER)),
        ("Emphysema in the left lung and bronchiectasis on the right.", ({"left"}, set()), ({"right"}, set())),
        ("In the left lung emphysema, in the right lung bronchiectasis.", ({"left"}, set()), ({"right"}, set())),
        ("Left upper emphysema and right lower bronchiectasis are seen.", ({"left"}, UPPER), ({"right"}, LOWER)),
        (
            "In the left lung, emphysema in the upper lobe and bronchiectasis in the lower lobe.",
            ({"left"}, UPPER),
            ({"left"}, LOWER),
        ),
        (
            "In both lungs, there is emphysema in the upper lobes and bronchiectasis, mostly in the right lower lobe.",
            (BOTH, UPPER),
            (BOTH, LOWER),
        ),
    ],
)
def test_a_place_belongs_to_the_findings_it_describes(text: str, emphysema: tuple, bronchiectasis: tuple):
    places = {mention.label: (mention.sides, mention.levels) for mention in extract_mentions(text, "lung")}
    assert places == {"Emphysema": emphysema, "Bronchiectasis": bronchiectasis}


def test_a_prefix_starts_the_section_of_its_region():
    report = "The region 0 is pleura: Effusion is seen. The region 1 is heart: Effusion was not seen."
    assert _statuses(report) == {("Pleural effusion", "present"), ("Pericardial effusion", "absent")}
    assert _statuses(report, "thyroid") == _statuses(report)
    assert _statuses("The region 0 is pleura: Normal. The region 1 is liver: A nodule is seen in the liver.") == set()


def test_a_mention_has_the_start_and_end_of_its_sentence():
    text = "The region 3 is lung: Both lungs are aerated.  A 5.5 mm nodule is seen (right upper lobe).\nNo effusion"
    sentences = [text[mention.start : mention.end] for mention in extract_mentions(text)]
    assert sentences == ["A 5.5 mm nodule is seen (right upper lobe).", "No effusion"]


@pytest.mark.parametrize(
    "text", ["", " ", "\n", ".", "...", "?", "(", "Nodule", "no", "mm", "\u2028", "x" * 10_000, "( " * 999]
)
def test_fragments_of_text_raise_no_error(text: str):
    assert all(mention.label == "Lung nodule" for mention in extract_mentions(text, "lung"))


def test_a_text_without_periods_is_read_in_linear_time():
    start = time.process_time()
    assert extract_mentions("no nodule and which is " * 2_000, "lung")
    assert time.process_time() - start < 10


def test_an_unknown_region_is_an_error():
    with pytest.raises(InputError, match="Unknown region 'spleen'"):
        extract_mentions("No effusion.", "spleen")


def test_a_label_is_positive_if_asserted_or_left_open():
    texts = ["", "Emphysema is seen. No nodule is seen.", "Nodule? Emphysema was not seen."]
    labels = RuleLabeler().label(texts, "lung")
    assert labels.shape == (3, 18) and labels.dtype == bool
    emphysema, nodule = LABELS.index("Emphysema"), LABELS.index("Lung nodule")
    np.testing.assert_array_equal(labels[:, [emphysema, nodule]], [[0, 0], [1, 0], [0, 1]])
    assert labels.sum() == 2


@pytest.mark.slow
def test_label_counts_of_the_released_texts_are_close_to_the_published_ones(
    shared: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.syspath_prepend(repository / "Testing" / "Benchmarks")
    import labeler_supports

    published = shared / "reference" / "published"
    start = time.process_time()
    texts, cases = labeler_supports.read_cases(published)
    assert texts == 2 * 11_462 and time.process_time() - start < 15
    for row in labeler_supports.published_rows(published):
        _, positive, _ = labeler_supports.count(cases["reference"], row["Label"])
        assert positive == pytest.approx(int(row["Support"]), rel=0.10), row["Label"]
