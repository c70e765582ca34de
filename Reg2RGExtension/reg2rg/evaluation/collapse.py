"""Template collapse: whether a model has stopped looking and writes what is most often written.

Four axes, after "Generating Reports or Repeating Templates?" (arXiv 2605.30984), with definitions of our own: clinical
fidelity (``clinical``), diversity of the texts, bias towards normal texts, and survival of rare findings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from reg2rg.evaluation.bleu import ORDERS, bleu_of, ngrams, possible_ngrams, tokens_13a
from reg2rg.impression import holds_finding
from reg2rg.report import split_sentences

BANDS = (("rare", 0.0, 0.1), ("uncommon", 0.1, 0.2), ("frequent", 0.2, 1.01))
"""Name, from, below: the share of cases whose reference has the label."""


@dataclass(frozen=True)
class Diversity:
    """How different texts are from one another.

    Attributes:
        distinct: distinct texts over texts.
        most_frequent: share of the text that occurs most often.
        distinct_2: distinct 2-grams over 2-grams (mteval-13a tokens).
        self_bleu: mean BLEU-4 of each text against all others; NaN for fewer than two texts.
    """

    texts: int
    distinct: float
    most_frequent: float
    distinct_2: float
    self_bleu: float


def diversity(texts: Sequence[str]) -> Diversity:
    """Measure texts; they are compared as they stand. All four depend on how many there are."""
    counts = Counter(texts)
    tokens = [tokens_13a(text) for text in texts]
    bigrams = Counter(chain.from_iterable(ngrams(words, 2).elements() for words in tokens))
    return Diversity(
        texts=len(texts),
        distinct=len(counts) / len(texts),
        most_frequent=max(counts.values()) / len(texts),
        distinct_2=len(bigrams) / bigrams.total() if bigrams else float("nan"),
        self_bleu=self_bleu(tokens),
    )


def self_bleu(texts: Sequence[Sequence[str]]) -> float:
    """Mean BLEU-4 (smoothed as in ``bleu``) of each text, as tokens, with all others as its references.

    Of each n-gram the two texts that have most of it are enough to know what the others have of it, so the time grows
    with the number of texts, not with its square. A text of no tokens scores 0.
    """
    if len(texts) < 2:
        return float("nan")
    lengths = np.array([len(text) for text in texts])
    matches = np.zeros((len(texts), ORDERS))
    for order in range(1, ORDERS + 1):
        counted = [ngrams(text, order) for text in texts]
        best: dict[tuple[str, ...], tuple[int, int, int]] = {}  # most, whose, second most
        for owner, grams in enumerate(counted):
            for gram, count in grams.items():
                most, whose, second = best.get(gram, (0, -1, 0))
                best[gram] = (count, owner, most) if count > most else (most, whose, max(second, count))
        for owner, grams in enumerate(counted):
            for gram, count in grams.items():
                most, whose, second = best[gram]
                matches[owner, order - 1] += min(count, second if whose == owner else most)
    scores = bleu_of(matches, possible_ngrams(lengths), lengths, _closest_others(lengths))
    return float(scores[:, ORDERS - 1].mean())


def _closest_others(lengths: np.ndarray) -> np.ndarray:
    """Of each text the length of another that is closest to its own, the shorter of two that are equally close."""
    order = np.argsort(lengths, kind="stable")
    ranked = lengths[order].astype(float)
    shorter = np.concatenate([[-np.inf], ranked[:-1]])
    longer = np.concatenate([ranked[1:], [np.inf]])
    closest = np.empty(len(lengths))
    closest[order] = np.where(ranked - shorter <= longer - ranked, shorter, longer)
    return closest


def worded_normal(text: str) -> bool:
    """Whether each sentence says only that something is normal or absent (``impression.holds_finding``)."""
    return not any(holds_finding(text[start:end]) for start, end in split_sentences(text))


def label_bands(reference: np.ndarray) -> dict[str, np.ndarray]:
    """Name of a band -> which labels are in it, (labels,) bool; ``reference`` is (cases, labels) bool."""
    shares = reference.mean(axis=0)
    return {name: (shares > 0) & (shares >= low) & (shares < high) for name, low, high in BANDS}
