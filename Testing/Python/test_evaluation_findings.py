"""Metrics of findings, regions, locations and template collapse match results worked out by hand on tiny files."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from evaluation_files import NORMAL, evaluated, row, write_pairs, write_rows

from reg2rg.evaluation.inputs.predictions import Level, TextPair
from reg2rg.evaluation.pair_labels import label_pairs
from reg2rg.evaluation.report_metrics.published_recognition import read_recognition_report
from reg2rg.evaluation.report_metrics.text_lengths import kl_divergence
from reg2rg.labeler import RuleLabeler
from reg2rg.regions import REGION_NAMES

EMPHYSEMA = "Emphysema is seen in both lungs."
CONSOLIDATION = "Consolidation is seen in the lower lobe of the left lung."
BRONCHIECTASIS = "Bronchiectasis is seen in both lungs."
TWENTY = [EMPHYSEMA] * 6 + [CONSOLIDATION] * 3 + [BRONCHIECTASIS] + [NORMAL] * 10
"""Twenty cases: 30% with emphysema, 15% with consolidation, 5% with bronchiectasis, 50% normal."""


@pytest.fixture(scope="module")
def faithful(tmp_path_factory):
    """Evaluate a model that repeats the reference."""
    return evaluated(write_pairs(tmp_path_factory.mktemp("faithful") / "lung_reports.csv", TWENTY, TWENTY))


@pytest.fixture(scope="module")
def collapsed(tmp_path_factory):
    """Evaluate a model that knows only the most frequent finding and otherwise writes the normal text."""
    predictions = [text if text == EMPHYSEMA else NORMAL for text in TWENTY]
    return evaluated(write_pairs(tmp_path_factory.mktemp("collapsed") / "lung_reports.csv", TWENTY, predictions))


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Evaluate a model that always writes the normal text."""
    return evaluated(write_pairs(tmp_path_factory.mktemp("template") / "lung_reports.csv", TWENTY, [NORMAL] * 20))


def test_averages_follow_from_the_counts(faithful, collapsed, template):
    for average in ("micro", "weighted"):
        assert row(faithful, "clinical", average)["F1"].value == 1
    micro = row(collapsed, "clinical", "micro")  # 6 hits, 4 misses, no false alarms
    assert [micro[kind].value for kind in ("precision", "recall", "F1")] == pytest.approx([1, 0.6, 0.75])
    assert row(collapsed, "clinical", "macro")["F1"].value == pytest.approx(1 / 18)  # 1 of 18 labels
    assert row(collapsed, "clinical", "weighted")["F1"].value == pytest.approx(6 / 10)
    assert row(collapsed, "clinical", "samples")["F1"].value == pytest.approx(6 / 20)
    assert row(template, "clinical", "micro")["F1"].value == 0


def test_labels_have_precision_recall_and_support(collapsed):
    emphysema, consolidation = (row(collapsed, "labels", name) for name in ("Emphysema", "Consolidation"))
    assert (emphysema["in references"], emphysema["in predictions"], emphysema["F1"].value) == (6, 6, 1)
    assert (consolidation["in references"], consolidation["in predictions"], consolidation["recall"]) == (3, 0, 0)


def test_crg_is_1_for_perfect_predictions_and_one_third_if_nothing_is_found(faithful, collapsed, template):
    # 20 x 18 labels, 10 positive: w = 350 / 20. Collapsed model: s = 6 w - 4 w = 2 w; CRG = 10 w / (20 w - 2 w).
    crg = [row(e, "clinical_regions", "whole cases")["CRG"].value for e in (faithful, collapsed, template)]
    assert crg == pytest.approx([1, 10 / 18, 1 / 3])


def test_diversity_reveals_one_text_used_for_all_cases(tmp_path: Path):
    references = ["emphysema on both sides", "nodule in right lung"]  # no word in common
    same = row(
        evaluated(write_pairs(tmp_path / "a.csv", references, ["lungs are both clear"] * 2)), "diversity", "all reports"
    )
    assert (same["distinct texts, predictions"], same["most frequent text, predictions"]) == (1 / 2, 1)
    assert same["distinct 2-grams, predictions"] == 3 / 6 and same["self-BLEU, predictions"] == pytest.approx(1)
    assert (same["distinct texts, references"], same["most frequent text, references"]) == (1, 1 / 2)
    assert same["distinct 2-grams, references"] == 1
    # None of the 4, 3, 2 and 1 n-grams occurs in the other text; one is added to each count.
    assert same["self-BLEU, references"] == pytest.approx((1 / 5 * 1 / 4 * 1 / 3 * 1 / 2) ** (1 / 4))


def test_self_bleu_clips_counts_to_the_text_with_the_most_occurrences(tmp_path: Path):
    texts = ["a a", "a", "b b"]
    diversity = row(evaluated(write_pairs(tmp_path / "a.csv", texts, texts)), "diversity", "all reports")
    # "a a": 1 of 2 unigrams is in "a", 0 of 1 bigrams; closest length 2: (2/3 * 1/2) ** 1/4.
    # "a": 1 of 1 unigrams is in "a a"; closest length 2, so brevity exp(1 - 2). "b b": 0 of 2 and 0 of 1.
    expected = [(2 / 3 * 1 / 2) ** 0.25, np.exp(-1.0), (1 / 3 * 1 / 2) ** 0.25]
    assert diversity["self-BLEU, references"] == pytest.approx(np.mean(expected))


def test_normal_bias_is_predictions_minus_references(faithful, collapsed, template):
    none, some, full = (row(e, "normal_bias", "lung") for e in (faithful, collapsed, template))
    assert (none["label bias"].value, none["abnormal called normal"].value, none["wording bias"].value) == (0, 0, 0)
    assert (some["normal by labels, references"], some["normal by labels, predictions"]) == (10 / 20, 14 / 20)
    assert some["label bias"].value == pytest.approx(4 / 20)
    assert some["abnormal called normal"].value == pytest.approx(4 / 10)
    assert (some["normal by wording, references"], some["normal by wording, predictions"]) == (10 / 20, 14 / 20)
    assert (full["label bias"].value, full["abnormal called normal"].value) == (10 / 20, 1)


def test_a_collapsed_model_loses_rare_findings(faithful, collapsed):
    def recalls(evaluation):
        table = evaluation.table("rare_findings")
        return [cell.value for cell in table.column("recall")], table.column("findings"), table.column("never found")

    assert recalls(faithful) == ([1, 1, 1], [1, 3, 6], ["none"] * 3)
    assert recalls(collapsed) == ([0, 0, 1], [1, 3, 6], ["Bronchiectasis", "Consolidation", "none"])


RIGHT_UPPER = "There is a nodule in the upper lobe of the right lung."
LOCATIONS = {
    RIGHT_UPPER: RIGHT_UPPER,  # correct
    "There is a nodule in the lower lobe of the left lung.": "There is a nodule in the lower lobe of the right lung.",
    "There is a nodule in the middle lobe of the right lung.": RIGHT_UPPER,  # correct side, wrong lobe
    "Pleural effusion is seen on the left.": "Pleural effusion is seen on both sides.",  # wrong, but not opposite
    CONSOLIDATION: NORMAL,  # not predicted
}


def test_location_questions_are_asked_step_by_step(tmp_path: Path):
    some = evaluated(write_pairs(tmp_path / "a.csv", list(LOCATIONS), list(LOCATIONS.values())))
    found = row(some, "location", "all labels")
    assert (found["findings"], found["present"].value) == (5, 4 / 5)
    assert (found["with side"], found["side correct"].value, found["side opposite"].value) == (4, 2 / 4, 1 / 4)
    assert (found["with level"], found["level correct"].value) == (2, 1 / 2)
    nodule = row(some, "location", "Lung nodule")
    assert (nodule["findings"], nodule["side correct"].value, nodule["with level"]) == (3, pytest.approx(2 / 3), 2)


def test_no_location_is_asked_for_findings_that_are_not_predicted(tmp_path: Path):
    found = row(evaluated(write_pairs(tmp_path / "a.csv", list(LOCATIONS), [NORMAL] * 5)), "location", "all labels")
    assert (found["findings"], found["present"].value) == (5, 0)
    assert (found["with side"], found["side correct"]) == (0, None)
    assert (found["with level"], found["level correct"]) == (0, None)


def test_contradictions_within_a_text_are_found_unless_the_location_differs(tmp_path: Path):
    both = "Pleural effusion is seen on the left. "
    texts = [both + "No pleural effusion is seen.", both + "No pleural effusion is seen on the right.", both, NORMAL]
    evaluation = evaluated(write_pairs(tmp_path / "a.csv", [NORMAL] * 4, texts))
    found = row(evaluation, "contradictions", "within: all reports")
    assert (found["references"].value, found["predictions"].value) == (0, 1 / 4)


def test_contradictions_between_sections_of_a_case_are_found(tmp_path: Path):
    heart = "Heart size increased."
    for name, texts in (("heart", [heart, heart]), ("mediastinum", ["Heart size is normal.", heart])):
        write_pairs(tmp_path / f"{name}_reports.csv", texts, texts)
    evaluation = evaluated(tmp_path)
    assert row(evaluation, "contradictions", "between sections of a case")["predictions"].value == 1 / 2
    assert row(evaluation, "contradictions", "within: all sections")["predictions"].value == 0


def slots(*names: str) -> str:
    return " ".join(f"The region {slot} is {name}: Normal." for slot, name in enumerate(names))


def test_region_recognition_is_counted_slot_by_slot(tmp_path: Path):
    asked = slots("heart", "lung", "pleura", "trachea and bronchie")
    rows = [
        ("right", asked, asked),
        ("swapped", asked, slots("heart", "pleura", "lung", "trachea and bronchie")),
        ("lost", asked, slots("heart", "spleen", "pleura")),
    ]
    evaluation = evaluated(write_rows(tmp_path / "a.csv", rows))
    lung, heart = (row(evaluation, "recognition", name) for name in ("lung", "heart"))
    assert [lung[key] for key in ("true positives", "false positives", "false negatives")] == [1, 1, 2]
    assert (lung["precision"], lung["recall"], lung["F1"]) == pytest.approx((1 / 2, 1 / 3, 2 / 5))
    assert (heart["true positives"], heart["F1"]) == (3, 1)
    # Accuracy of the cases: 4/4, 2/4, 2/4.
    assert "Mean accuracy over 3 cases 0.6667, standard deviation 0.2357" in evaluation.table("recognition").caption
    swapped = row(evaluation, "confusion", "lung")
    assert (swapped["lung"], swapped["pleura"], swapped["no region"]) == (1, 1, 1)
    assert row(evaluation, "confusion", "trachea and bronchie")["no region"] == 1


def test_slots_with_unknown_regions_are_reported(tmp_path: Path):
    rows = [("case", slots("heart", "spleen"), slots("heart", "spleen"))]
    caption = evaluated(write_rows(tmp_path / "a.csv", rows)).table("recognition").caption
    assert "1 of 1 slots" in caption and "1 slots with unknown region names are not counted" in caption


def test_a_model_that_calls_every_region_lung_recognizes_only_the_lung(tmp_path: Path):
    rows = [("case", slots("heart", "lung"), slots("lung", "lung"))]
    evaluation = evaluated(write_rows(tmp_path / "a.csv", rows))
    lung, heart = (row(evaluation, "recognition", name) for name in ("lung", "heart"))
    assert (lung["precision"], lung["recall"], heart["precision"], heart["recall"]) == (1 / 2, 1, 0, 0)
    assert row(evaluation, "confusion", "heart")["lung"] == 1


def test_published_recognition_follows_from_the_printed_lists(shared: Path):
    file = shared / "reference" / "published" / "radgenome__region_classification_report.txt"
    printed = read_recognition_report(file)
    text = file.read_text()
    pattern = re.compile(r"^\w+:\nPrecision: (\S+)\nRecall: (\S+)\nF1 score: (\S+)$", re.MULTILINE)
    published = np.array([[float(value) for value in match] for match in pattern.findall(text)])
    rates = np.stack(printed.recognition.rates, axis=1)
    assert rates == pytest.approx(published, abs=1e-12)
    counted = [index for index, name in enumerate(REGION_NAMES) if name not in ("lung", "pleura")]
    means = re.findall(r"of all regions: (\S+?)±(\S+)", text)
    for column, (mean, std) in zip(rates[counted].T, means, strict=True):
        assert (column.mean(), column.std()) == pytest.approx((float(mean), float(std)), abs=1e-12)
    recognition = printed.recognition
    assert (recognition.tp.sum(), (recognition.tp + recognition.fn).sum()) == (13_481, 15_393)
    assert recognition.confusion.sum(axis=1).tolist() == (recognition.tp + recognition.fn).tolist()
    assert recognition.confusion[REGION_NAMES.index("lung"), REGION_NAMES.index("pleura")] > 860


def test_a_wrong_name_is_attributed_only_if_the_lists_allow_one_assignment(tmp_path: Path):
    lists = {
        ("breast", "negative"): ["one", "two"],
        ("thyroid", "positive"): ["one", "two", "three"],
        ("thyroid", "negative"): ["two"],
        ("heart", "negative"): ["three", "three"],
        ("breast", "positive"): ["two"],
        ("bone", "positive"): ["three"],
        ("esophagus", "negative"): ["four"],
    }
    rates = "".join(f"{name.split()[0]}:\nPrecision: 0.5\nRecall: 0\nF1 score: 0\n\n" for name in REGION_NAMES)
    lines = "".join(f"Region: {name}\nFalse {kind} accnums: {cases}\n\n" for (name, kind), cases in lists.items())
    (tmp_path / "x_region_classification_report.txt").write_text(rates + lines)
    printed = read_recognition_report(tmp_path / "x_region_classification_report.txt")
    confusion = {(REGION_NAMES[i], j): int(n) for (i, j), n in np.ndenumerate(printed.recognition.confusion) if n}
    breast, thyroid, none = REGION_NAMES.index("breast"), REGION_NAMES.index("thyroid"), len(REGION_NAMES)
    assert confusion[("breast", thyroid)] == 2 and confusion[("thyroid", breast)] == 1  # "one": direct, "two": swapped
    assert confusion[("heart", none)] == 2 and printed.unattributed == 2  # thyroid and bone in either order
    assert confusion[("esophagus", none)] == 1  # no name at all


def test_kl_divergence_adds_one_half_to_each_count():
    # (3 + 1/2, 1 + 1/2) of 5 against (1 + 1/2, 3 + 1/2) of 5.
    expected = 0.7 * np.log(7 / 3) + 0.3 * np.log(3 / 7)
    assert kl_divergence(np.array([3, 1]), np.array([1, 3])) == pytest.approx(expected)
    assert kl_divergence(np.array([3, 1]), np.array([3, 1])) == 0


def test_lengths_are_counted_in_words(tmp_path: Path):
    file = write_pairs(tmp_path / "a.csv", ["a b c", " ".join("a" * 15)], ["a", "a b c"])
    evaluation = evaluated(file)
    lengths = row(evaluation, "lengths", "all reports")
    assert (lengths["mean, references"], lengths["mean, predictions"], lengths["median, references"]) == (9, 2, 9)
    histogram = evaluation.table("histogram")
    assert (histogram.column("references"), histogram.column("predictions")) == ([1, 1], [2, 0])
    assert lengths["KL"] == pytest.approx(0.5 * np.log(0.5 / (2.5 / 3)) + 0.5 * np.log(0.5 / (0.5 / 3)))


def test_only_the_18_published_labels_are_counted():
    text = "Pneumothorax and pleural effusion are seen on the left."
    pair_labels = label_pairs([TextPair("case", "pleura", text, text)], RuleLabeler())
    for mentions in (pair_labels.reference_mentions, pair_labels.prediction_mentions):
        assert [mention.label for mention in mentions[0]] == ["Pleural effusion"]
    assert pair_labels.reference_labels.shape == (1, 18)


def test_a_case_has_the_labels_of_all_its_sections(tmp_path: Path):
    write_pairs(tmp_path / "lung_reports.csv", [NORMAL], ["There is pleural effusion on the left."])
    write_pairs(tmp_path / "pleura_reports.csv", ["There is pleural effusion on the left."], ["Pleura is normal."])
    evaluation = evaluated(tmp_path)
    assert row(evaluation, "clinical_regions", "pleura")["micro F1"].value == 0
    assert row(evaluation, "clinical_regions", "whole cases")["micro F1"].value == 1
    assert evaluated(tmp_path, level=Level.REPORT).table("clinical_regions") is None
