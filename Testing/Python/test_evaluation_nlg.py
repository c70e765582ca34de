"""Agreement of words: worked out by hand on a few words, and equal to all published numbers of the released files."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from evaluation_files import write_pairs

from reg2rg.evaluation.corpus import Corpus
from reg2rg.evaluation.inputs.prediction_files import read_predictions
from reg2rg.evaluation.inputs.predictions import pair_texts
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
        pytest.skip("WordNet is absent (Debian's wordnet-base)")
    return found


def test_bleu_counts_matches_with_one_added_and_punishes_brevity():
    exact = bleu(bleu_statistics("a b c d", "a b c x"))[0]  # 3 of 4, 2 of 3, 1 of 2, 0 of 1
    assert exact == pytest.approx([4 / 5, (3 / 5) ** (1 / 2), (2 / 5) ** (1 / 3), (1 / 5) ** (1 / 4)])
    short = bleu(bleu_statistics("a b c d", "a b"))[0]  # 2 of 2, 1 of 1, nothing possible; lengths 2 and 4
    assert short == pytest.approx(np.exp([-1.0] * 4))
    assert bleu(bleu_statistics("a b", "")).tolist() == [[0.0] * 4]


def test_bleu_keeps_case_and_splits_punctuation_as_mteval_13a_does():
    assert bleu_statistics("Heart is normal.", "heart is normal.")[:1] == [3]  # is, normal, and the full stop
    assert bleu_statistics("3.5 mm", "3.5 mm.")[4:] == [3, 2]


def test_corpus_bleu_sums_the_counts_first():
    statistics = np.array([bleu_statistics("a b c d", "a b c d"), bleu_statistics("a b c d", "x x x x")])
    assert corpus_bleu(statistics)[0] == pytest.approx((4 + 1) / (8 + 1))


def test_rouge_is_an_f_measure_of_unstemmed_words():
    assert rouge("both lungs are clear", "lungs clear") == pytest.approx([2 / 3, 0.0, 2 / 3])  # P 1, R 1/2
    assert rouge("nodule", "nodules") == [0.0, 0.0, 0.0] and rouge("nodule", "") == [0.0, 0.0, 0.0]


def test_overall_rouge_is_the_same_on_every_run_and_near_the_mean():
    scores = np.random.default_rng(0).random((50, 3))
    assert overall_rouge(scores).tolist() == overall_rouge(scores).tolist()
    assert overall_rouge(scores) == pytest.approx(scores.mean(axis=0), abs=0.01)


def test_cider_weighs_words_by_how_few_references_have_them():
    # Each word is in one of two references, so each weighs log 2. "a b" is all right: cosine 1 for 1- and 2-grams, and
    # there are no longer ones: 10 * (1 + 1) / 4. "c x" has one word of two right: cosine 1/2: 10 * (1/2) / 4.
    assert cider(["a b", "c d"], ["a b", "c x"]) == pytest.approx([5.0, 1.25])
    assert cider(["a b", "a d"], ["a", ""]).tolist() == [0.0, 0.0]  # a is in both references and tells nothing
    assert cider(["a b"], ["a b"]).tolist() == [0.0]


def test_cider_punishes_another_length():
    # Two bigrams for one: exp(-1 / 72). Unigrams: 2 of 3 words right, cosine 2 / sqrt(2 * 3); bigrams 1 / sqrt(2).
    expected = 10 * np.exp(-1 / 72) * (2 / np.sqrt(6) + 1 / np.sqrt(2)) / 4
    assert cider(["a b", "c d"], ["a b x", "c d"])[0] == pytest.approx(expected)


def test_meteor_matches_stems_and_counts_chunks():
    assert meteor("nodules seen", "nodule seen") == pytest.approx(1 - 0.5 * (1 / 2) ** 3)  # 2 words right in one chunk
    assert meteor("a b", "b a") == pytest.approx(1 - 0.5)  # in two chunks
    assert meteor("a b", "") == 0.0


def test_meteor_matches_synonyms_if_wordnet_is_here(wordnet):
    assert {"large", "big"} <= wordnet.synonyms("big") and wordnet.synonyms("xyzzy") == frozenset()
    assert meteor("lung is thin", "lung is slim") == pytest.approx(1 - 0.5 * (1 / 3) ** 3)  # 3 words right in one chunk
    assert meteor_name() == "METEOR" and WITHOUT_WORDNET not in meteor_notes()


def test_wordnet_knows_base_forms_irregular_ones_and_their_rules_applied_twice(wordnet):
    assert "mouse" in wordnet.synonyms("mice") and "lung" in wordnet.synonyms("lungs")
    assert "find" in wordnet.synonyms(
        "findings"
    )  # findings, finding, find: as NLTK 3.8 did, whose numbers are published


def test_without_wordnet_meteor_says_so_in_its_name_and_matches_no_synonyms(monkeypatch):
    monkeypatch.setattr(meteor_module, "find_wordnet", lambda: None)
    meteor_module._senses.cache_clear()
    assert meteor("lung is thin", "lung is slim") == pytest.approx((1 - 0.5 * (1 / 2) ** 3) * 2 / 3)
    assert meteor_name() == "METEOR (stems only)" and WITHOUT_WORDNET in meteor_notes()
    meteor_module._senses.cache_clear()


def test_without_punkt_our_own_sentences_are_used_and_it_is_said(monkeypatch):
    monkeypatch.setattr(meteor_module, "find_punkt", lambda: False)
    meteor_module._words.cache_clear()
    assert meteor_module._words("Lungs are clear. Heart is normal.").count(".") == 2
    assert WITHOUT_PUNKT in meteor_notes()
    meteor_module._words.cache_clear()


def test_all_numbers_of_the_published_table_come_out_of_the_released_files(shared: Path, wordnet):
    if not find_punkt():
        pytest.skip("Punkt is absent (pip install --no-deps llama-index-core)")
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


def as_published(cell) -> str:
    return f"{cell:.4f}" if isinstance(cell, float) else f"{cell.mean:.4f}±{cell.std:.4f}"


def test_the_table_has_a_row_for_all_texts(tmp_path: Path):
    predictions = pair_texts(
        read_predictions([write_pairs(tmp_path / "a.csv", ["a b c d", "a b c d"], ["a b c d", "a b c x"])])
    )
    corpus = Corpus(predictions.pairs, predictions.level, seed=0)
    table = nlg_tables(score_texts(predictions.pairs), corpus.groups)[0]
    assert [row[0] for row in table.rows] == ["all reports"]
    assert table.column("BLEU-1")[0].mean == pytest.approx((1 + 4 / 5) / 2)
    assert table.column("BLEU-1")[0].std == pytest.approx((1 - 4 / 5) / 2)
