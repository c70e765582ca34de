"""How long texts are, and how far two distributions of length are apart.

The paper reports a KL divergence of report lengths without its definition; ours is stated here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reg2rg.evaluation.corpus import Corpus
from reg2rg.evaluation.tables import Table

MOST_BINS = 40


def word_counts(texts: Sequence[str]) -> np.ndarray:
    """Words between white space, (texts,)."""
    return np.array([len(text.split()) for text in texts])


def length_histogram(reference: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges of bins of equal whole width (10 words, wider if more than 40 would be needed), and the texts in each."""
    longest = int(max(reference.max(), prediction.max()))
    width = 10 * max(1, -(-(longest + 1) // (10 * MOST_BINS)))
    edges = np.arange(0, longest + width + 1, width)
    return edges, np.histogram(reference, edges)[0], np.histogram(prediction, edges)[0]


def kl_divergence(reference: np.ndarray, prediction: np.ndarray) -> float:
    """KL(reference || prediction) in nats of two histograms over the same bins, each bin's count raised by one half."""
    p, q = (counts + 0.5 for counts in (reference, prediction))
    p, q = p / p.sum(), q / q.sum()
    return float((p * np.log(p / q)).sum())


def lengths_table(corpus: Corpus) -> Table:
    """Words per text, references beside predictions, and how far their distributions are apart."""
    rows = []
    for name, chosen in corpus.groups.items():
        expected, written = _words(corpus, chosen)
        _, *counts = length_histogram(expected, written)
        medians = [float(np.median(words)) for words in (expected, written)]
        rows.append((name, len(chosen), expected.mean(), written.mean(), *medians, kl_divergence(*counts)))
    caption = (
        "Words between white space. KL(references || predictions) in nats, of histograms with bins of 10 words (wider "
        "where more than 40 would be needed), one half added to each bin's count; the paper's definition is not known."
    )
    columns = ("texts", "n", "mean, references", "mean, predictions", "median, references", "median, predictions", "KL")
    return Table("lengths", "Length of texts", caption, columns, tuple(rows))


def histogram_table(corpus: Corpus) -> Table:
    """The histogram of all texts."""
    edges, expected, written = length_histogram(*_words(corpus, np.arange(len(corpus.pairs))))
    bins = [f"{low}–{high - 1}" for low, high in zip(edges[:-1], edges[1:], strict=True)]
    rows = zip(bins, map(int, edges[:-1]), map(int, expected), map(int, written), strict=True)
    caption = "Texts by their number of words."
    columns = ("words", "from", "references", "predictions")
    return Table("histogram", "Histogram of lengths", caption, columns, tuple(rows))


def _words(corpus: Corpus, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    pairs = [corpus.pairs[index] for index in chosen]
    return word_counts([pair.reference for pair in pairs]), word_counts([pair.prediction for pair in pairs])
