"""Clinical efficacy, recognition, collapse, location, contradictions: each worked out by hand on a tiny file."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from evaluation_files import NORMAL, evaluated, row, write_pairs, write_rows

from reg2rg.evaluation.inputs.predictions import Level, TextPair
from reg2rg.evaluation.inputs.published_recognition import read_recognition_report
from reg2rg.evaluation.pair_labels import label_pairs
from reg2rg.evaluation.report_metrics.text_lengths import kl_divergence
from reg2rg.labeler import RuleLabeler
from reg2rg.regions import REGION_NAMES

EMPHYSEMA = "Emphysema is seen in both lungs."
CONSOLIDATION = "Consolidation is seen in the lower lobe of the left lung."
BRONCHIECTASIS = "Bronchiectasis is seen in both lungs."
TWENTY = [EMPHYSEMA] * 6 + [CONSOLIDATION] * 3 + [BRONCHIECTASIS] + [NORMAL] * 10
"""Of 20 cases 30% have emphysema, 15% a consolidation, 5% bronchiectasis, and half are normal."""


@pytest.fixture(scope="module")
def faithful(tmp_path_factory):
    """A model that writes what the reference says."""
    return evaluated(write_pairs(tmp_path_factory.mktemp("faithful") / "lung_reports.csv", TWENTY, TWENTY))


@pytest.fixture(scope="module")
def collapsed(tmp_path_factory):
    """A model that knows the most frequent finding and else writes the normal text."""
    predictions = [text if text == EMPHYSEMA else NORMAL for text in TWENTY]
    return evaluated(write_pairs(tmp_path_factory.mktemp("collapsed") / "lung_reports.csv", TWENTY, predictions))


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A model that always writes the normal text."""
    return evaluated(write_pairs(tmp_path_factory.mktemp("template") / "lung_reports.csv", TWENTY, [NORMAL] * 20))


def test_averages_are_those_of_the_counts(faithful, collapsed, template):
    for average in ("micro", "weighted"):
        assert row(faithful, "clinical", average)["F1"].value == 1
    micro = row(collapsed, "clinical", "micro")  # 6 hits, 4 misses, no false alarm
    assert [micro[kind].value for kind in ("precision", "recall", "F1")] == pytest.approx([1, 0.6, 0.75])
    assert row(collapsed, "clinical", "macro")["F1"].value == pytest.approx(1 / 18)  # one label of 18
    assert row(collapsed, "clinical", "weighted")["F1"].value == pytest.approx(6 / 10)
    assert row(collapsed, "clinical", "samples")["F1"].value == pytest.approx(6 / 20)
    assert row(template, "clinical", "micro")["F1"].value == 0


def test_labels_have_precision_recall_and_support(collapsed):
    emphysema, consolidation = (row(collapsed, "labels", name) for name in ("Emphysema", "Consolidation"))
    assert (emphysema["in references"], emphysema["in predictions"], emphysema["F1"].value) == (6, 6, 1)
    assert (consolidation["in references"], consolidation["in predictions"], consolidation["recall"]) == (3, 0, 0)


def test_crg_is_one_if_all_is_right_and_a_third_if_nothing_is_found(faithful, collapsed, template):
    # 20 x 18 labels, 10 positive: w = 350 / 20. Collapsed: s = 6 w - 4 w = 2 w; CRG = 10 w / (20 w - 2 w).
    crg = [row(e, "clinical_regions", "whole cases")["CRG"].value for e in (faithful, collapsed, template)]
    assert crg == pytest.approx([1, 10 / 18, 1 / 3])


def test_diversity_sees_one_text_used_for_all(tmp_path: Path):
    references = ["emphysema on both sides", "nodule in right lung"]  # no word in common
    same = row(
        evaluated(write_pairs(tmp_path / "a.csv", references, ["lungs are both clear"] * 2)), "diversity", "all reports"
    )
    assert (same["distinct texts, predictions"], same["most frequent text, predictions"]) == (1 / 2, 1)
    assert same["distinct 2-grams, predictions"] == 3 / 6 and same["self-BLEU, predictions"] == pytest.approx(1)
    assert (same["distinct texts, references"], same["most frequent text, references"]) == (1, 1 / 2)
    assert same["distinct 2-grams, references"] == 1
    # Of 4, 3, 2, 1 n-grams none is in the other text; one is added to each count.
    assert same["self-BLEU, references"] == pytest.approx((1 / 5 * 1 / 4 * 1 / 3 * 1 / 2) ** (1 / 4))


def test_self_bleu_clips_to_the_text_that_has_most_of_a_word(tmp_path: Path):
    texts = ["a a", "a", "b b"]
    diversity = row(evaluated(write_pairs(tmp_path / "a.csv", texts, texts)), "diversity", "all reports")
    # "a a": one of two a in "a", no bigram of one; closest length 2: (2/3 * 1/2) ** 1/4.
    # "a": one of one in "a a"; its closest length is 2, so brevity exp(1 - 2). "b b": none of two, none of one.
    expected = [(2 / 3 * 1 / 2) ** 0.25, np.exp(-1.0), (1 / 3 * 1 / 2) ** 0.25]
    assert diversity["self-BLEU, references"] == pytest.approx(np.mean(expected))


def test_bias_towards_normal_is_predictions_minus_references(faithful, collapsed, template):
    none, some, all_ = (row(e, "normal", "lung") for e in (faithful, collapsed, template))
    assert (none["bias"].value, none["findings called free"].value, none["wording bias"].value) == (0, 0, 0)
    assert (some["free of the 18, references"], some["free of the 18, predictions"]) == (10 / 20, 14 / 20)
    assert some["bias"].value == pytest.approx(4 / 20) and some["findings called free"].value == pytest.approx(4 / 10)
    assert (some["worded normal, references"], some["worded normal, predictions"]) == (10 / 20, 14 / 20)
    assert (all_["bias"].value, all_["findings called free"].value) == (10 / 20, 1)


def test_rare_findings_are_lost_first(faithful, collapsed):
    def recalls(evaluation):
        table = evaluation.table("survival")
        return [cell.value for cell in table.column("recall")], table.column("findings"), table.column("never found")

    assert recalls(faithful) == ([1, 1, 1], [1, 3, 6], ["none"] * 3)
    assert recalls(collapsed) == ([0, 0, 1], [1, 3, 6], ["Bronchiectasis", "Consolidation", "none"])


RIGHT_UPPER = "There is a nodule in the upper lobe of the right lung."
LOCATIONS = {
    RIGHT_UPPER: RIGHT_UPPER,  # all right
    "There is a nodule in the lower lobe of the left lung.": "There is a nodule in the lower lobe of the right lung.",
    "There is a nodule in the middle lobe of the right lung.": RIGHT_UPPER,  # right side, wrong lobe
    "Pleural effusion is seen on the left.": "Pleural effusion is seen on both sides.",  # wrong, not opposite
    CONSOLIDATION: NORMAL,  # not there
}


def test_location_is_asked_step_by_step(tmp_path: Path):
    some = evaluated(write_pairs(tmp_path / "a.csv", list(LOCATIONS), list(LOCATIONS.values())))
    found = row(some, "location", "all labels")
    assert (found["findings"], found["present"].value) == (5, 4 / 5)
    assert (found["side asked"], found["right side"].value, found["opposite side"].value) == (4, 2 / 4, 1 / 4)
    assert (found["level asked"], found["right level"].value) == (2, 1 / 2)
    nodule = row(some, "location", "Lung nodule")
    assert (nodule["findings"], nodule["right side"].value, nodule["level asked"]) == (3, pytest.approx(2 / 3), 2)


def test_a_collapsed_model_is_asked_nothing_but_whether_findings_are_there(tmp_path: Path):
    found = row(evaluated(write_pairs(tmp_path / "a.csv", list(LOCATIONS), [NORMAL] * 5)), "location", "all labels")
    assert (found["findings"], found["present"].value) == (5, 0)
    assert (found["side asked"], found["right side"], found["level asked"], found["right level"]) == (0, None, 0, None)


def test_contradictions_are_seen_within_a_text_unless_the_place_differs(tmp_path: Path):
    both = "Pleural effusion is seen on the left. "
    texts = [both + "No pleural effusion is seen.", both + "No pleural effusion is seen on the right.", both, NORMAL]
    evaluation = evaluated(write_pairs(tmp_path / "a.csv", [NORMAL] * 4, texts))
    found = row(evaluation, "contradictions", "within: all reports")
    assert (found["references"].value, found["predictions"].value) == (0, 1 / 4)


def test_contradictions_are_seen_between_sections_of_a_case(tmp_path: Path):
    heart = "Heart size increased."
    for name, texts in (("heart", [heart, heart]), ("mediastinum", ["Heart size is normal.", heart])):
        write_pairs(tmp_path / f"{name}_reports.csv", texts, texts)
    evaluation = evaluated(tmp_path)
    assert row(evaluation, "contradictions", "between sections of a case")["predictions"].value == 1 / 2
    assert row(evaluation, "contradictions", "within: all sections")["predictions"].value == 0


def slots(*names: str) -> str:
    return " ".join(f"The region {slot} is {name}: Normal." for slot, name in enumerate(names))


def test_regions_are_recognised_slot_by_slot(tmp_path: Path):
    asked = slots("heart", "lung", "pleura", "trachea and bronchie")
    rows = [
        ("right", asked, asked),
        ("swapped", asked, slots("heart", "pleura", "lung", "trachea and bronchie")),
        ("lost", asked, slots("heart", "spleen", "pleura")),
    ]
    evaluation = evaluated(write_rows(tmp_path / "a.csv", rows))
    lung, heart = (row(evaluation, "recognition", name) for name in ("lung", "heart"))
    assert [lung[key] for key in ("right", "named wrongly", "missed")] == [1, 1, 2]
    assert (lung["precision"], lung["recall"], lung["F1"]) == pytest.approx((1 / 2, 1 / 3, 2 / 5))
    assert (heart["right"], heart["F1"]) == (3, 1)
    # Accuracy by case: 4/4, 2/4, 2/4.
    assert "Mean accuracy of 3 cases 0.6667, standard deviation 0.2357" in evaluation.table("recognition").caption
    swapped = row(evaluation, "swaps", "lung")
    assert (swapped["lung"], swapped["pleura"], swapped["none of the ten"]) == (1, 1, 1)
    assert row(evaluation, "swaps", "trachea and bronchie")["none of the ten"] == 1


def test_slots_of_unknown_regions_are_told_of(tmp_path: Path):
    rows = [("case", slots("heart", "spleen"), slots("heart", "spleen"))]
    caption = evaluated(write_rows(tmp_path / "a.csv", rows)).table("recognition").caption
    assert "1 of 1 slots" in caption and "1 slots of none of the ten regions are not counted" in caption


def test_a_model_that_calls_every_region_lung_recognises_lung_only(tmp_path: Path):
    rows = [("case", slots("heart", "lung"), slots("lung", "lung"))]
    evaluation = evaluated(write_rows(tmp_path / "a.csv", rows))
    lung, heart = (row(evaluation, "recognition", name) for name in ("lung", "heart"))
    assert (lung["precision"], lung["recall"], heart["precision"], heart["recall"]) == (1 / 2, 1, 0, 0)
    assert row(evaluation, "swaps", "heart")["lung"] == 1


def test_the_published_recognition_follows_from_its_printed_lists(shared: Path):
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
    assert recognition.swaps.sum(axis=1).tolist() == (recognition.tp + recognition.fn).tolist()
    assert recognition.swaps[REGION_NAMES.index("lung"), REGION_NAMES.index("pleura")] > 860


def test_printed_lists_tell_a_wrong_name_only_where_there_is_one_way(tmp_path: Path):
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
    swaps = {(REGION_NAMES[i], j): int(n) for (i, j), n in np.ndenumerate(printed.recognition.swaps) if n}
    breast, thyroid, none = REGION_NAMES.index("breast"), REGION_NAMES.index("thyroid"), len(REGION_NAMES)
    assert swaps[("breast", thyroid)] == 2 and swaps[("thyroid", breast)] == 1  # one alone, two with each other
    assert swaps[("heart", none)] == 2 and printed.unattributed == 2  # thyroid and bone, or bone and thyroid
    assert swaps[("esophagus", none)] == 1  # named by none: that is told


def test_kl_divergence_of_lengths():
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


def test_only_the_published_labels_are_counted():
    text = "Pneumothorax and pleural effusion are seen on the left."
    pair_labels = label_pairs([TextPair("case", "pleura", text, text)], RuleLabeler())
    for findings in (pair_labels.reference_mentions, pair_labels.prediction_mentions):
        assert [finding.label for finding in findings[0]] == ["Pleural effusion"]
    assert pair_labels.reference_labels.shape == (1, 18)


def test_a_label_of_any_section_counts_for_its_case(tmp_path: Path):
    write_pairs(tmp_path / "lung_reports.csv", [NORMAL], ["There is pleural effusion on the left."])
    write_pairs(tmp_path / "pleura_reports.csv", ["There is pleural effusion on the left."], ["Pleura is normal."])
    evaluation = evaluated(tmp_path)
    assert row(evaluation, "clinical_regions", "pleura")["micro F1"].value == 0
    assert row(evaluation, "clinical_regions", "whole cases")["micro F1"].value == 1
    assert evaluated(tmp_path, level=Level.REPORT).table("clinical_regions") is None
