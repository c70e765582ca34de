"""The rule-based labeler on sentences written for it (labeler_sentences.tsv), most of them unseen when tuned."""

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
    """The rows of the published labels."""
    return [row for group, rows in groups.items() if group != FURTHER for row in rows]


@pytest.fixture(scope="module")
def rows(groups: dict[str, list[Row]]) -> list[Row]:
    return [row for rows in groups.values() for row in rows]


def _told(finding: Mention) -> tuple:
    return finding.label, finding.status, finding.sides, finding.levels, finding.size_mm


def _f1(rows: list[Row], score: str, labels: tuple[str, ...]) -> float:
    """Micro F1 over the rows; a finding counts as right if the read one has the same of what ``score`` looks at."""
    right = read = expected = 0
    for region, sentence, findings in rows:
        ours = SCORES[score]([_told(found) for found in extract_mentions(sentence, region) if found.label in labels])
        theirs = SCORES[score](findings)
        right, read, expected = right + len(ours & theirs), read + len(ours), expected + len(theirs)
    return 2 * right / (read + expected)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize(("group", "least"), {"developed": 0.97, "held out": 0.97, "plain": 0.94, "": 0.97}.items())
def test_the_reader_reads_its_test_set(
    groups: dict[str, list[Row]], published: list[Row], group: str, least: float, score: str
):
    chosen = groups[group] if group else published
    f1 = _f1(chosen, score, LABELS)
    print(f"{group or 'all'}, {len(chosen)} sentences, {score}: F1 {f1:.4f}")
    assert f1 >= least


@pytest.mark.parametrize("score", SCORES)
def test_the_reader_reads_the_further_labels(groups: dict[str, list[Row]], score: str):
    f1 = _f1(groups[FURTHER], score, ALL_LABELS)
    print(f"{FURTHER}, {len(groups[FURTHER])} sentences, {score}: F1 {f1:.4f}")
    assert f1 >= 0.97


def test_the_test_set_tells_every_further_label_in_every_status(groups: dict[str, list[Row]]):
    told = {finding[:2] for _, _, expected in groups[FURTHER] for finding in expected}
    assert told >= {(label, status) for label in FURTHER_LABELS for status in Status}


def test_the_test_set_holds_what_it_must(rows: list[Row], published: list[Row]):
    assert len(published) >= 300 and len({(region, sentence) for region, sentence, _ in rows}) == len(rows)
    findings = [finding for _, _, expected in published for finding in expected]
    for status in (Status.PRESENT, Status.ABSENT):
        assert {finding[0] for finding in findings if finding[1] is status} == set(LABELS)
    assert {side for finding in findings for side in finding[2]} == {"left", "right"}
    assert {"upper", "middle", "lower", "lingula"} <= {level for finding in findings for level in finding[3]}
    assert sum(finding[4] is not None for finding in findings) >= 40
    assert sum(not expected for *_, expected in published) >= 20, "sentences about nothing that is read"


def test_no_sentence_of_the_test_set_is_one_of_the_released_reports(rows: list[Row], shared: Path):
    texts = [path.read_text(encoding="utf-8") for path in (shared / "reference" / "published").glob("*_reports.csv")]
    long = [sentence for _, sentence, _ in rows if len(sentence.split()) > 4]
    copied = [sentence for sentence in long if any(sentence in text for text in texts)]
    assert copied == []


def _said(text: str, region: str | None = None) -> set[tuple[str, str]]:
    return {(finding.label, finding.status.value) for finding in extract_mentions(text, region)}


@pytest.mark.parametrize(
    ("text", "region", "said"),
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
def test_the_region_decides_what_a_word_means(text: str, region: str, said: set):
    assert _said(text, region) == said


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
def test_a_denial_reaches_all_it_speaks_of(text: str):
    denied = {(label, "absent") for label in ("Lung nodule", "Consolidation", "Pleural effusion")}
    assert {finding for finding in _said(text, "lung") if finding[0] != "Lung opacity"} == denied


@pytest.mark.parametrize(
    "text",
    [
        "Lytic or sclerotic lesion is not observed.",
        "No lytic or sclerotic lesion is seen.",
        "There is no sclerotic, lytic or destructive lesion.",
        "Lytic-sclerotic lesions were not detected in the bones.",
    ],
)
def test_one_denial_is_of_lytic_and_of_sclerotic_lesions(text: str):
    assert _said(text, "bone") == {("Lytic bone lesion", "absent"), ("Sclerotic bone lesion", "absent")}


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
    assert [side_and_level(finding) for finding in extract_mentions(text, region)] == [expected]


def test_the_published_labels_are_read_as_if_there_were_no_others():
    text = "Pleural effusion and, on the left, thickening of 6 mm are seen."
    findings = {finding.label: finding for finding in extract_mentions(text, "pleura")}
    assert set(findings) == {"Pleural effusion", "Pleural thickening"}
    assert findings["Pleural thickening"].sides == {"left"} and findings["Pleural thickening"].size_mm == 6
    only = extract_mentions(text.replace("thickening", "something"), "pleura")
    assert [(found.sides, found.size_mm) for found in only] == [
        (findings["Pleural effusion"].sides, findings["Pleural effusion"].size_mm)
    ]


def test_labels_of_texts_are_the_published_ones():
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
def test_a_denial_reaches_no_further(text: str):
    assert _said(text, "lung") == {("Lung nodule", "absent"), ("Consolidation", "present")}


@pytest.mark.parametrize("text", ["No new nodule is seen.", "No other nodule was detected.", "No additional nodule."])
def test_that_there_is_nothing_more_says_neither_yes_nor_no(text: str):
    assert _said(text, "lung") == set()


@pytest.mark.parametrize("text", ["No change in the nodules.", "The nodule was not seen in the previous examination."])
def test_what_is_compared_is_there(text: str):
    assert _said(text, "lung") == {("Lung nodule", "present")}


@pytest.mark.parametrize(
    ("words", "size"),
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
def test_sizes_are_in_mm_and_limits_are_none(words: str, size: float | None):
    assert [finding.size_mm for finding in extract_mentions(f"A nodule {words} is seen.", "lung")] == [size]


def test_a_size_belongs_to_the_finding_it_stands_at():
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
def test_a_place_belongs_to_the_findings_it_is_said_of(text: str, emphysema: tuple, bronchiectasis: tuple):
    places = {finding.label: (finding.sides, finding.levels) for finding in extract_mentions(text, "lung")}
    assert places == {"Emphysema": emphysema, "Bronchiectasis": bronchiectasis}


def test_a_prefix_begins_the_section_of_its_region():
    report = "The region 0 is pleura: Effusion is seen. The region 1 is heart: Effusion was not seen."
    assert _said(report) == {("Pleural effusion", "present"), ("Pericardial effusion", "absent")}
    assert _said(report, "thyroid") == _said(report)
    assert _said("The region 0 is pleura: Normal. The region 1 is liver: A nodule is seen in the liver.") == set()


def test_findings_tell_the_place_of_their_sentence_in_the_text():
    text = "The region 3 is lung: Both lungs are aerated.  A 5.5 mm nodule is seen (right upper lobe).\nNo effusion"
    sentences = [text[finding.start : finding.end] for finding in extract_mentions(text)]
    assert sentences == ["A 5.5 mm nodule is seen (right upper lobe).", "No effusion"]


@pytest.mark.parametrize(
    "text", ["", " ", "\n", ".", "...", "?", "(", "Nodule", "no", "mm", "\u2028", "x" * 10_000, "( " * 999]
)
def test_scraps_are_read_without_complaint(text: str):
    assert all(finding.label == "Lung nodule" for finding in extract_mentions(text, "lung"))


def test_a_text_without_full_stops_takes_no_longer_than_others():
    start = time.process_time()
    assert extract_mentions("no nodule and which is " * 2_000, "lung")
    assert time.process_time() - start < 10


def test_a_region_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match="No region is called 'spleen'"):
        extract_mentions("No effusion.", "spleen")


def test_labels_are_positive_where_asserted_or_left_open():
    texts = ["", "Emphysema is seen. No nodule is seen.", "Nodule? Emphysema was not seen."]
    labels = RuleLabeler().label(texts, "lung")
    assert labels.shape == (3, 18) and labels.dtype == bool
    emphysema, nodule = LABELS.index("Emphysema"), LABELS.index("Lung nodule")
    np.testing.assert_array_equal(labels[:, [emphysema, nodule]], [[0, 0], [1, 0], [0, 1]])
    assert labels.sum() == 2


def test_supports_of_the_released_texts_are_near_the_published_ones_and_read_in_seconds(
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
