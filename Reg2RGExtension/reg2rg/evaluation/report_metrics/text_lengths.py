"""Text lengths, and the divergence between their distributions in references and predictions.

The Reg2RG paper reports a KL divergence of report lengths without defining it; the definition here is our own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reg2rg.evaluation.corpus import Corpus
from reg2rg.evaluation.tables import Cell, Table

MAX_BINS = 40


def word_counts(texts: Sequence[str]) -> np.ndarray:
    """Count the words separated by whitespace, (texts,)."""
    return np.array([len(text.split()) for text in texts])


def length_histogram(reference: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bin the lengths of references and predictions.

    Bins are 10 words wide, or a multiple of 10 if more than 40 bins would be needed.

    Args:
        reference: Word counts of the references.
        prediction: Word counts of the predictions.

    Returns:
        Bin edges (bins + 1,), counts of references (bins,) and counts of predictions (bins,).
    """
    longest = int(max(reference.max(), prediction.max()))
    width = 10 * max(1, -(-(longest + 1) // (10 * MAX_BINS)))
    edges = np.arange(0, longest + width + 1, width)
    return edges, np.histogram(reference, edges)[0], np.histogram(prediction, edges)[0]


def kl_divergence(reference: np.ndarray, prediction: np.ndarray) -> float:
    """Compute KL(reference || prediction) in nats.

    Args:
        reference: Histogram of the references.
        prediction: Histogram of the predictions over the same bins. One half is added to the count of every bin.
    """
    p, q = (counts + 0.5 for counts in (reference, prediction))
    p, q = p / p.sum(), q / q.sum()
    return float((p * np.log(p / q)).sum())


def lengths_table(corpus: Corpus) -> Table:
    """Return words per text in references and predictions, and their divergence."""
    rows: list[tuple[Cell, ...]] = []
    for name, group in corpus.groups.items():
        expected, written = _lengths(corpus, group)
        _, *histograms = length_histogram(expected, written)
        medians = [float(np.median(words)) for words in (expected, written)]
        divergence = kl_divergence(*histograms)
        rows.append((name, len(group), float(expected.mean()), float(written.mean()), *medians, divergence))
    description = (
        "Words separated by whitespace. KL(references || predictions) in nats, from histograms with bins of 10 words "
        "(wider if more than 40 bins would be needed) and one half added to each count. The paper does not define its "
        "own KL divergence."
    )
    columns = ("texts", "n", "mean, references", "mean, predictions", "median, references", "median, predictions", "KL")
    return Table("lengths", "Text lengths", description, columns, tuple(rows))


def histogram_table(corpus: Corpus) -> Table:
    """Return the histogram of the lengths of all texts."""
    edges, expected, written = length_histogram(*_lengths(corpus, np.arange(len(corpus.pairs))))
    bins = [f"{low}–{high - 1}" for low, high in zip(edges[:-1], edges[1:], strict=True)]
    rows = zip(bins, map(int, edges[:-1]), map(int, expected), map(int, written), strict=True)
    columns = ("words", "from", "references", "predictions")
    return Table("histogram", "Histogram of text lengths", "Number of texts by word count.", columns, tuple(rows))


def _lengths(corpus: Corpus, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    references, predictions = corpus.texts(group)
    return word_counts(references), word_counts(predictions)
