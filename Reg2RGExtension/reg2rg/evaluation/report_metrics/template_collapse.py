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

from reg2rg.evaluation.bootstrap import Statistic, ratio
from reg2rg.evaluation.corpus import Corpus
from reg2rg.evaluation.pair_labels import PairLabels
from reg2rg.evaluation.report_metrics.clinical_efficacy import case_labels, label_counts, per_label
from reg2rg.evaluation.tables import Cell, Table
from reg2rg.evaluation.text_metrics.bleu import ORDERS, bleu_of, ngrams, possible_ngrams, tokens_13a
from reg2rg.labeler import LABELS, split_sentences
from reg2rg.report.impression import is_worded_normal

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


def is_normal_by_wording(text: str) -> bool:
    """Whether each sentence says only that something is normal or absent (``impression.is_worded_normal``)."""
    return all(is_worded_normal(text[start:end]) for start, end in split_sentences(text))


def label_bands(reference: np.ndarray) -> dict[str, np.ndarray]:
    """Name of a band -> which labels are in it, (labels,) bool; ``reference`` is (cases, labels) bool."""
    shares = reference.mean(axis=0)
    return {name: (shares > 0) & (shares >= low) & (shares < high) for name, low, high in BANDS}


_DIVERSITY = {
    "distinct": "distinct texts",
    "most_frequent": "most frequent text",
    "distinct_2": "distinct 2-grams",
    "self_bleu": "self-BLEU",
}


def diversity_table(corpus: Corpus) -> Table:
    """How different texts are from one another, references beside predictions."""
    rows = []
    for name, chosen in corpus.groups.items():
        references = diversity([corpus.pairs[index].reference for index in chosen])
        predictions = diversity([corpus.pairs[index].prediction for index in chosen])
        cells = [getattr(side, field) for field in _DIVERSITY for side in (references, predictions)]
        rows.append((name, references.texts, *cells))
    columns = [f"{title}, {side}" for title in _DIVERSITY.values() for side in ("references", "predictions")]
    caption = (
        "Distinct texts over texts; share of the text that occurs most often; distinct 2-grams over 2-grams; mean "
        "BLEU-4 of each text against all others of its side. All depend on the number of texts, so that only the two "
        "sides of a row can be compared. A collapsed model has few distinct texts, one that occurs very often, few "
        "distinct 2-grams and a high self-BLEU."
    )
    return Table("diversity", "Collapse: diversity", caption, ("texts", "n", *columns), tuple(rows))


def normal_bias_table(corpus: Corpus, pair_labels: PairLabels) -> Table:
    """How often a text is normal, references beside predictions."""
    free = [~labels.any(axis=1) for labels in (pair_labels.reference_labels, pair_labels.prediction_labels)]
    worded = [
        np.array([is_normal_by_wording(getattr(pair, side)) for pair in corpus.pairs])
        for side in ("reference", "prediction")
    ]
    rows = [(name, len(chosen), *_normal_cells(corpus, free, worded, chosen)) for name, chosen in corpus.groups.items()]
    columns = (
        "texts",
        "n",
        "free of the 18, references",
        "free of the 18, predictions",
        "bias",
        "findings called free",
        "worded normal, references",
        "worded normal, predictions",
        "wording bias",
    )
    caption = (
        "Free of the 18: none of the 18 findings is read in the text. Findings called free: of "
        "the references with a finding, the share whose prediction has none. Worded normal: every sentence says only "
        "that something is normal or absent, which also sees findings beyond the 18. Bias is predictions minus "
        "references: above 0 normal is written too readily."
    )
    return Table("normal", "Collapse: bias towards normal", caption, columns, tuple(rows), pair_labels.reader)


def _normal_cells(
    corpus: Corpus, free: list[np.ndarray], worded: list[np.ndarray], chosen: np.ndarray
) -> tuple[Cell, ...]:
    def share(values: np.ndarray) -> float:
        return float(values[chosen].mean())

    def bias(sides: list[np.ndarray]) -> Cell:
        return corpus.mean(sides[1].astype(float) - sides[0], chosen)

    found = chosen[~free[0][chosen]]
    called = corpus.mean(free[1].astype(float), found) if found.size else None
    return share(free[0]), share(free[1]), bias(free), called, share(worded[0]), share(worded[1]), bias(worded)


def rare_findings_table(corpus: Corpus, pair_labels: PairLabels) -> Table:
    """Recall of labels by how frequent they are in the references."""
    reference, prediction = case_labels(corpus, pair_labels)
    cases = len(corpus.cases)
    sums = label_counts(reference, prediction, np.arange(cases), cases)
    recalls = per_label(sums.sum(axis=0))[1]
    rows = []
    for (name, low, high), labels in zip(BANDS, label_bands(reference).values(), strict=True):
        found = reference[:, labels] & prediction[:, labels]
        counts = np.stack([found.sum(axis=1), reference[:, labels].sum(axis=1)], axis=1)
        statistic = Statistic(counts.astype(float), ratio)
        unseen = [LABELS[index] for index in np.flatnonzero(labels) if recalls[index] == 0]
        limits = f"{name}: {_limits(low, high)}"
        row = (
            limits,
            int(labels.sum()),
            int(counts[:, 1].sum()),
            corpus.interval(statistic),
            ", ".join(unseen) or "none",
        )
        rows.append(row)
    caption = (
        "Labels by the share of cases whose reference has them; recall over all their findings together. A model that "
        "writes what is frequent loses the rare ones first."
    )
    columns = ("labels", "how many", "findings", "recall", "never found")
    return Table("survival", "Collapse: survival of rare findings", caption, columns, tuple(rows), pair_labels.reader)


def _limits(low: float, high: float) -> str:
    if low == 0:
        return f"under {high:.0%} of cases"
    return f"{low:.0%} of cases and more" if high > 1 else f"{low:.0%} to {high:.0%} of cases"
