"""Text metrics match results worked out by hand and all published numbers for the released files."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from evaluation_files import write_pairs

from reg2rg.evaluation import Cell
from reg2rg.evaluation.corpus import Corpus
from reg2rg.evaluation.inputs.pairing import pair_texts
from reg2rg.evaluation.inputs.prediction_files import read_predictions
from reg2rg.evaluation.text_metrics import meteor as meteor_module
from reg2rg.evaluation.text_metrics.bleu import bleu, bleu_statistics, corpus_bleu
from reg2rg.evaluation.text_metrics.cider import cider
from reg2rg.evaluation.text_metrics.meteor import WITHOUT_PUNKT, WITHOUT_WORDNET, meteor, meteor_name, meteor_notes
from reg2rg.evaluation.text_metrics.nlg import nlg_tables, score_texts
from reg2rg.evaluation.text_metrics.rouge import overall_rouge, rouge
from reg2rg.evaluation.text_metrics.wordnet import find_punkt, find_wordnet


@pytest.fixture
def wordnet():
    found = find_wordnet()
    if found is None:
        pytest.skip("requires WordNet (apt-get install wordnet-base)")
    return found


def test_bleu_smooths_counts_by_one_and_penalizes_brevity():
    exact = bleu(bleu_statistics("a b c d", "a b c x"))[0]  # 3 of 4, 2 of 3, 1 of 2, 0 of 1
    assert exact == pytest.approx([4 / 5, (3 / 5) ** (1 / 2), (2 / 5) ** (1 / 3), (1 / 5) ** (1 / 4)])
    short = bleu(bleu_statistics("a b c d", "a b"))[0]  # 2 of 2, 1 of 1, then no n-grams; lengths 2 and 4
    assert short == pytest.approx(np.exp([-1.0] * 4))
    assert bleu(bleu_statistics("a b", "")).tolist() == [[0.0] * 4]


def test_bleu_is_case_sensitive_and_tokenizes_like_mteval_13a():
    assert bleu_statistics("Heart is normal.", "heart is normal.")[:1] == [3]  # is, normal, and the period
    assert bleu_statistics("3.5 mm", "3.5 mm.")[4:] == [3, 2]


def test_corpus_bleu_is_computed_from_summed_counts():
    statistics = np.array([bleu_statistics("a b c d", "a b c d"), bleu_statistics("a b c d", "x x x x")])
    assert corpus_bleu(statistics)[0] == pytest.approx((4 + 1) / (8 + 1))


def test_rouge_is_the_f_measure_of_unstemmed_words():
    assert rouge("both lungs are clear", "lungs clear") == pytest.approx([2 / 3, 0.0, 2 / 3])  # P 1, R 1/2
    assert rouge("nodule", "nodules") == [0.0, 0.0, 0.0] and rouge("nodule", "") == [0.0, 0.0, 0.0]


def test_overall_rouge_is_reproducible_and_close_to_the_mean():
    scores = np.random.default_rng(0).random((50, 3))
    assert overall_rouge(scores).tolist() == overall_rouge(scores).tolist()
    assert overall_rouge(scores) == pytest.approx(scores.mean(axis=0), abs=0.01)


def test_cider_weights_words_by_their_rarity_in_the_references():
    # Each word occurs in one of two references, so its weight is log 2. "a b" is correct: cosine 1 for 1- and 2-grams,
    # and there are no longer n-grams: 10 * (1 + 1) / 4. "c x" has one correct word of two: cosine 1/2, 10 * (1/2) / 4.
    assert cider(["a b", "c d"], ["a b", "c x"]) == pytest.approx([5.0, 1.25])
    assert cider(["a b", "a d"], ["a", ""]).tolist() == [0.0, 0.0]  # "a" occurs in both references, so its weight is 0
    assert cider(["a b"], ["a b"]).tolist() == [0.0]


def test_cider_penalizes_a_different_length():
    # Two bigrams instead of one: exp(-1 / 72). Cosine of unigrams, 2 of 3 correct: 2 / sqrt(2 * 3); of bigrams:
    # 1 / sqrt(2).
    expected = 10 * np.exp(-1 / 72) * (2 / np.sqrt(6) + 1 / np.sqrt(2)) / 4
    assert cider(["a b", "c d"], ["a b x", "c d"])[0] == pytest.approx(expected)


def test_meteor_matches_stems_and_counts_chunks():
    assert meteor("nodules seen", "nodule seen") == pytest.approx(
        1 - 0.5 * (1 / 2) ** 3
    )  # 2 correct words in one chunk
    assert meteor("a b", "b a") == pytest.approx(1 - 0.5)  # 2 correct words in two chunks
    assert meteor("a b", "") == 0.0


def test_meteor_matches_synonyms_from_wordnet(wordnet):
    assert {"large", "big"} <= wordnet.synonyms("big") and wordnet.synonyms("xyzzy") == frozenset()
    assert meteor("lung is thin", "lung is slim") == pytest.approx(
        1 - 0.5 * (1 / 3) ** 3
    )  # 3 correct words in one chunk
    assert meteor_name() == "METEOR" and WITHOUT_WORDNET not in meteor_notes()


def test_wordnet_finds_regular_and_irregular_base_forms_and_applies_suffix_rules_twice(wordnet):
    assert "mouse" in wordnet.synonyms("mice") and "lung" in wordnet.synonyms("lungs")
    # findings, finding, find: as in NLTK 3.8, with which the published numbers were computed
    assert "find" in wordnet.synonyms("findings")


def test_without_wordnet_meteor_matches_no_synonyms_and_has_a_different_name(monkeypatch):
    monkeypatch.setattr(meteor_module, "find_wordnet", lambda: None)
    meteor_module._synsets.cache_clear()
    assert meteor("lung is thin", "lung is slim") == pytest.approx((1 - 0.5 * (1 / 2) ** 3) * 2 / 3)
    assert meteor_name() == "METEOR (stems only)" and WITHOUT_WORDNET in meteor_notes()
    meteor_module._synsets.cache_clear()


def test_without_punkt_the_built_in_sentence_splitter_is_used_and_noted(monkeypatch):
    monkeypatch.setattr(meteor_module, "find_punkt", lambda: False)
    meteor_module._words.cache_clear()
    assert meteor_module._words("Lungs are clear. Heart is normal.").count(".") == 2
    assert WITHOUT_PUNKT in meteor_notes()
    meteor_module._words.cache_clear()


@pytest.mark.slow
def test_all_published_numbers_are_reproduced_from_the_released_files(shared: Path, wordnet):
    if not find_punkt():
        pytest.skip("requires Punkt (pip install --no-deps llama-index-core)")
    predictions = pair_texts(read_predictions([shared / "reference" / "published"]))
    assert len(predictions.pairs) == 11_462 and not predictions.dropped
    groups = Corpus(predictions.pairs, predictions.level, seed=0).groups
    groups.pop("all sections")
    ours: dict[str, dict[str, str]] = {name: {} for name in groups}
    for table in nlg_tables(score_texts(predictions.pairs), groups):
        for name, _, *cells in table.rows:
            ours[name].update(zip(table.columns[2:], map(as_published, cells), strict=True))
    with (shared / "reference" / "published" / "radgenome__nlg_evaluation_results_all_regions.csv").open() as stream:
        published = {row.pop("region"): row for row in csv.DictReader(stream)}
    assert sum(map(len, published.values())) == 170
    assert ours == published


def as_published(cell: Cell) -> str:
    """Format a cell as in the published table."""
    return f"{cell:.4f}" if isinstance(cell, float) else f"{cell.mean:.4f}±{cell.std:.4f}"


def test_the_last_row_is_for_all_texts(tmp_path: Path):
    predictions = pair_texts(
        read_predictions([write_pairs(tmp_path / "a.csv", ["a b c d", "a b c d"], ["a b c d", "a b c x"])])
    )
    corpus = Corpus(predictions.pairs, predictions.level, seed=0)
    table = nlg_tables(score_texts(predictions.pairs), corpus.groups)[0]
    assert [row[0] for row in table.rows] == ["all reports"]
    assert table.column("BLEU-1")[0].mean == pytest.approx((1 + 4 / 5) / 2)
    assert table.column("BLEU-1")[0].std == pytest.approx((1 - 4 / 5) / 2)
