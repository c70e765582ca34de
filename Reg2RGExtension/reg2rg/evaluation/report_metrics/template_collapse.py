"""Template collapse: whether a model ignores the image and repeats the most frequent texts.

Four axes, after "Generating Reports or Repeating Templates?" (arXiv 2605.30984), with our own definitions: clinical
fidelity (see ``clinical_efficacy``), diversity of the texts, bias toward normal texts, and recall of rare findings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from reg2rg.evaluation.bootstrap import Statistic, ratio
from reg2rg.evaluation.corpus import Corpus
from reg2rg.evaluation.pair_labels import PairLabels
from reg2rg.evaluation.report_metrics.clinical_efficacy import case_labels
from reg2rg.evaluation.tables import Cell, Table
from reg2rg.evaluation.text_metrics.bleu import ORDERS, bleu_from_counts, ngrams, possible_ngrams, tokens_13a
from reg2rg.labeler import LABELS, split_sentences
from reg2rg.report.impression import is_worded_normal

FREQUENCY_BANDS = (("rare", 0.0, 0.1), ("uncommon", 0.1, 0.2), ("frequent", 0.2, 1.01))
"""Name, lower bound (inclusive) and upper bound (exclusive) of the share of cases that have a label."""


@dataclass(frozen=True)
class Diversity:
    """How much texts differ from each other. All values depend on the number of texts.

    Attributes:
        texts: Number of texts.
        distinct: Number of distinct texts divided by the number of texts.
        most_frequent: Share of the most frequent text.
        distinct_2: Number of distinct 2-grams divided by the number of 2-grams (mteval-13a tokens).
        self_bleu: Mean BLEU-4 of each text against all others; NaN for fewer than two texts.
    """

    texts: int
    distinct: float
    most_frequent: float
    distinct_2: float
    self_bleu: float


def diversity(texts: Sequence[str]) -> Diversity:
    """Measure the diversity of texts, which are compared verbatim."""
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
    """Compute the mean BLEU-4 of each text with all others as its references, smoothed as in ``bleu``.

    For each n-gram, it suffices to know its highest and second-highest counts in a text, so the run time is linear in
    the number of texts, not quadratic. A text without tokens scores 0.

    Args:
        texts: Tokens of each text.
    """
    if len(texts) < 2:
        return float("nan")
    lengths = np.array([len(text) for text in texts])
    matches = np.zeros((len(texts), ORDERS))
    for order in range(1, ORDERS + 1):
        counted = [ngrams(text, order) for text in texts]
        best: dict[tuple[str, ...], tuple[int, int, int]] = {}  # highest count, its text, second-highest count
        for owner, grams in enumerate(counted):
            for gram, count in grams.items():
                highest, best_owner, second = best.get(gram, (0, -1, 0))
                if count > highest:
                    best[gram] = (count, owner, highest)
                else:
                    best[gram] = (highest, best_owner, max(second, count))
        for owner, grams in enumerate(counted):
            for gram, count in grams.items():
                highest, best_owner, second = best[gram]
                matches[owner, order - 1] += min(count, second if best_owner == owner else highest)
    scores = bleu_from_counts(matches, possible_ngrams(lengths), lengths, _closest_other_length(lengths))
    return float(scores[:, ORDERS - 1].mean())


def _closest_other_length(lengths: np.ndarray) -> np.ndarray:
    """Return, for each text, the closest length of another text; the shorter one in case of a tie."""
    order = np.argsort(lengths, kind="stable")
    ranked = lengths[order].astype(float)
    shorter = np.concatenate([[-np.inf], ranked[:-1]])
    longer = np.concatenate([ranked[1:], [np.inf]])
    closest = np.empty(len(lengths))
    closest[order] = np.where(ranked - shorter <= longer - ranked, shorter, longer)
    return closest


def is_normal_by_wording(text: str) -> bool:
    """Return whether every sentence only states that something is normal or absent."""
    return all(is_worded_normal(text[start:end]) for start, end in split_sentences(text))


def labels_by_frequency(reference: np.ndarray) -> dict[str, np.ndarray]:
    """Assign labels to the bands of FREQUENCY_BANDS.

    Args:
        reference: Labels of the references of whole cases, (cases, labels) bool.

    Returns:
        Band -> whether each label belongs to it, (labels,) bool. Labels that never occur belong to none.
    """
    shares = reference.mean(axis=0)
    return {name: (shares > 0) & (shares >= low) & (shares < high) for name, low, high in FREQUENCY_BANDS}


def frequency_range(low: float, high: float) -> str:
    """Describe the bounds of a frequency band."""
    if low == 0:
        return f"under {high:.0%} of cases"
    return f"{low:.0%} of cases or more" if high > 1 else f"{low:.0%} to {high:.0%} of cases"


_DIVERSITY_COLUMNS = {
    "distinct": "distinct texts",
    "most_frequent": "most frequent text",
    "distinct_2": "distinct 2-grams",
    "self_bleu": "self-BLEU",
}


def diversity_table(corpus: Corpus) -> Table:
    """Return the diversity of references and predictions."""
    rows = []
    for name, group in corpus.groups.items():
        references, predictions = map(diversity, corpus.texts(group))
        cells = [getattr(side, field) for field in _DIVERSITY_COLUMNS for side in (references, predictions)]
        rows.append((name, references.texts, *cells))
    columns = [f"{title}, {side}" for title in _DIVERSITY_COLUMNS.values() for side in ("references", "predictions")]
    description = (
        "Distinct texts: their share of all texts. Most frequent text: its share of all texts. Distinct 2-grams: their "
        "share of all 2-grams. Self-BLEU: mean BLEU-4 of each text against all others of its side. All values depend "
        "on the number of texts, so compare the two sides of a row, not rows with each other. A collapsed model has "
        "few distinct texts and 2-grams, one very frequent text and a high self-BLEU."
    )
    return Table("diversity", "Template collapse: diversity", description, ("texts", "n", *columns), tuple(rows))


def normal_bias_table(corpus: Corpus, pair_labels: PairLabels) -> Table:
    """Return how often texts are normal in references and predictions."""
    by_labels = [
        np.logical_not(pair_labels.reference_labels.any(axis=1)),
        np.logical_not(pair_labels.prediction_labels.any(axis=1)),
    ]
    by_wording = [
        np.array([is_normal_by_wording(pair.reference) for pair in corpus.pairs]),
        np.array([is_normal_by_wording(pair.prediction) for pair in corpus.pairs]),
    ]
    rows = [
        (name, len(group), *_normal_bias_cells(corpus, by_labels, by_wording, group))
        for name, group in corpus.groups.items()
    ]
    columns = (
        "texts",
        "n",
        "normal by labels, references",
        "normal by labels, predictions",
        "label bias",
        "abnormal called normal",
        "normal by wording, references",
        "normal by wording, predictions",
        "wording bias",
    )
    description = (
        "Normal by labels: the text mentions none of the 18 findings. Normal by wording: every sentence only states "
        "that something is normal or absent, which also covers findings beyond the 18. Bias: share of normal "
        "predictions minus share of normal references; a positive bias means that the model calls texts normal too "
        "often. Abnormal called normal: among references with a finding, the share whose prediction has none."
    )
    title = "Template collapse: bias toward normal"
    return Table("normal_bias", title, description, columns, tuple(rows), pair_labels.labeler)


def _normal_bias_cells(
    corpus: Corpus, by_labels: list[np.ndarray], by_wording: list[np.ndarray], group: np.ndarray
) -> tuple[Cell, ...]:
    def share(values: np.ndarray) -> float:
        return float(values[group].mean())

    def bias(sides: list[np.ndarray]) -> Cell:
        return corpus.mean(sides[1].astype(float) - sides[0], group)

    abnormal = group[~by_labels[0][group]]
    missed = corpus.mean(by_labels[1].astype(float), abnormal) if abnormal.size else None
    return (
        share(by_labels[0]),
        share(by_labels[1]),
        bias(by_labels),
        missed,
        share(by_wording[0]),
        share(by_wording[1]),
        bias(by_wording),
    )


def rare_findings_table(corpus: Corpus, pair_labels: PairLabels) -> Table:
    """Return the recall of labels by their frequency in the references."""
    reference, prediction = case_labels(corpus, pair_labels)
    never_found = ~(reference & prediction).any(axis=0)
    rows = []
    for (name, low, high), labels in zip(FREQUENCY_BANDS, labels_by_frequency(reference).values(), strict=True):
        found = reference[:, labels] & prediction[:, labels]
        counts = np.stack([found.sum(axis=1), reference[:, labels].sum(axis=1)], axis=1)
        recall = corpus.interval(Statistic(counts.astype(float), ratio))
        missed = ", ".join(LABELS[index] for index in np.flatnonzero(labels & never_found))
        row = f"{name} ({frequency_range(low, high)})"
        rows.append((row, int(labels.sum()), int(counts[:, 1].sum()), recall, missed or "none"))
    description = (
        "Labels grouped by the share of cases whose reference has them, with the recall over all findings of a group. "
        "A model that favors frequent findings loses rare ones first."
    )
    columns = ("labels", "number of labels", "findings", "recall", "never found")
    title = "Template collapse: recall of rare findings"
    return Table("rare_findings", title, description, columns, tuple(rows), pair_labels.labeler)
