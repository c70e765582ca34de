"""BLEU as the published tables have it (reference C.2): mteval-13a tokens, case kept, add-one smoothing of every order.

Unlike the published script, which divides by zero, an empty prediction scores 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache

import numpy as np

ORDERS = 4


@cache
def _tokenizer():
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    return Tokenizer13a()


def tokens_13a(text: str) -> tuple[str, ...]:
    """Tokens of the mteval-13a script."""
    return tuple(_tokenizer()(text).split())


def ngrams(tokens: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    """How often each n-gram of that order occurs."""
    return Counter(zip(*(tokens[start:] for start in range(order)), strict=False))


def bleu_statistics(reference: str, prediction: str) -> list[int]:
    """Matching n-grams of orders 1 to 4, then the two lengths (prediction, reference) in tokens.

    Sums of these over texts give BLEU of a corpus.
    """
    expected, written = tokens_13a(reference), tokens_13a(prediction)
    matches = [(ngrams(written, n) & ngrams(expected, n)).total() for n in range(1, ORDERS + 1)]
    return [*matches, len(written), len(expected)]


def possible_ngrams(lengths: np.ndarray) -> np.ndarray:
    """How many n-grams of orders 1 to 4 texts of these lengths have, (..., 4)."""
    return np.maximum(np.asarray(lengths)[..., None] - np.arange(ORDERS), 0)


def bleu(statistics: np.ndarray) -> np.ndarray:
    """BLEU-1 to BLEU-4, (texts, 4), of statistics (texts, 6), one text at a time."""
    statistics = np.asarray(statistics).reshape(-1, ORDERS + 2)
    return bleu_of(statistics[:, :ORDERS], possible_ngrams(statistics[:, 4]), statistics[:, 4], statistics[:, 5])


def corpus_bleu(statistics: np.ndarray) -> np.ndarray:
    """BLEU-1 to BLEU-4, (4,), of all texts together."""
    statistics = np.asarray(statistics).reshape(-1, ORDERS + 2)
    possible = possible_ngrams(statistics[:, 4]).sum(axis=0)
    sums = statistics.sum(axis=0)
    return bleu_of(sums[None, :ORDERS], possible[None], sums[None, 4], sums[None, 5])[0]


def bleu_of(matches: np.ndarray, possible: np.ndarray, written: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """BLEU-1 to BLEU-4 from matching and possible n-grams (texts, 4) and lengths (texts,)."""
    logarithms = np.log((matches + 1) / (possible + 1))
    means = np.exp(np.cumsum(logarithms, axis=1) / np.arange(1, ORDERS + 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        brevity = np.where(written > 0, np.exp(np.minimum(0, 1 - expected / written)), 0.0)
    return means * brevity[:, None]
