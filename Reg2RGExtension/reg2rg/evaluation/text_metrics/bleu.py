"""BLEU-1 to BLEU-4 as in the published tables: mteval-13a tokens, case-sensitive, add-one smoothing for every order.

The published script divides by zero for an empty prediction; here it scores 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

ORDERS = 4


@cache
def _tokenizer() -> Tokenizer13a:
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    return Tokenizer13a()


def tokens_13a(text: str) -> tuple[str, ...]:
    """Split a text into the tokens of the mteval-13a script."""
    return tuple(_tokenizer()(text).split())


def ngrams(tokens: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    """Count the n-grams of one order."""
    return Counter(zip(*(tokens[start:] for start in range(order)), strict=False))


def bleu_statistics(reference: str, prediction: str) -> list[int]:
    """Count the statistics from which BLEU is computed.

    Returns:
        Matching n-grams of orders 1 to 4, then the lengths of prediction and reference in tokens. Summed over texts,
        they give corpus BLEU.
    """
    expected, written = tokens_13a(reference), tokens_13a(prediction)
    matches = [(ngrams(written, n) & ngrams(expected, n)).total() for n in range(1, ORDERS + 1)]
    return [*matches, len(written), len(expected)]


def possible_ngrams(lengths: np.ndarray) -> np.ndarray:
    """Return the number of n-grams of orders 1 to 4 in texts of the given lengths, (..., 4)."""
    return np.maximum(np.asarray(lengths)[..., None] - np.arange(ORDERS), 0)


def bleu(statistics: Sequence[int] | np.ndarray) -> np.ndarray:
    """Compute sentence BLEU.

    Args:
        statistics: Output of ``bleu_statistics`` for each text, (texts, 6) or (6,).

    Returns:
        BLEU-1 to BLEU-4 of each text, (texts, 4).
    """
    rows = np.asarray(statistics).reshape(-1, ORDERS + 2)
    return bleu_from_counts(rows[:, :ORDERS], possible_ngrams(rows[:, 4]), rows[:, 4], rows[:, 5])


def corpus_bleu(statistics: np.ndarray) -> np.ndarray:
    """Compute BLEU-1 to BLEU-4 of all texts together, (4,), from their statistics, (texts, 6)."""
    rows = np.asarray(statistics).reshape(-1, ORDERS + 2)
    possible = possible_ngrams(rows[:, 4]).sum(axis=0)
    sums = rows.sum(axis=0)
    return bleu_from_counts(sums[None, :ORDERS], possible[None], sums[None, 4], sums[None, 5])[0]


def bleu_from_counts(
    matches: np.ndarray, possible: np.ndarray, prediction_length: np.ndarray, reference_length: np.ndarray
) -> np.ndarray:
    """Compute BLEU-1 to BLEU-4, (texts, 4).

    Args:
        matches: Matching n-grams of orders 1 to 4, (texts, 4).
        possible: N-grams of orders 1 to 4 in the predictions, (texts, 4).
        prediction_length: Tokens in the predictions, (texts,).
        reference_length: Tokens in the references, (texts,).
    """
    logarithms = np.log((matches + 1) / (possible + 1))
    means = np.exp(np.cumsum(logarithms, axis=1) / np.arange(1, ORDERS + 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        penalty = np.exp(np.minimum(0, 1 - reference_length / prediction_length))
        brevity = np.where(prediction_length > 0, penalty, 0.0)
    return means * brevity[:, None]
