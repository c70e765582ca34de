"""How well texts agree with their references word by word: BLEU, METEOR, ROUGE, CIDEr, as in the published tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reg2rg.evaluation.inputs.predictions import TextPair
from reg2rg.evaluation.tables import Cell, Spread, Table
from reg2rg.evaluation.text_metrics.bleu import bleu, bleu_statistics, corpus_bleu
from reg2rg.evaluation.text_metrics.cider import cider
from reg2rg.evaluation.text_metrics.meteor import meteor, meteor_name, meteor_notes
from reg2rg.evaluation.text_metrics.rouge import overall_rouge, rouge

_STEP = 50


@dataclass(frozen=True)
class TextScores:
    """Scores of texts one by one.

    Attributes:
        bleu_statistics: (texts, 6), see ``bleu.bleu_statistics``.
        meteor: (texts,).
        rouge: (texts, 3): 1, 2, L.
    """

    pairs: tuple[TextPair, ...]
    bleu_statistics: np.ndarray
    meteor: np.ndarray
    rouge: np.ndarray

    def of(self, chosen: Sequence[int]) -> TextScores:
        """Of some of the texts, by index."""
        if len(chosen) == len(self.pairs):
            return self
        pairs = tuple(self.pairs[index] for index in chosen)
        return TextScores(pairs, self.bleu_statistics[chosen], self.meteor[chosen], self.rouge[chosen])

    @cached_property
    def by_text(self) -> dict[str, np.ndarray]:
        """Name of the measure -> its value for each text. CIDEr knows the words of just these references."""
        names = (*(f"BLEU-{order}" for order in range(1, 5)), meteor_name(), "ROUGE-1", "ROUGE-2", "ROUGE-L", "CIDEr")
        vocabulary = cider([pair.reference for pair in self.pairs], [pair.prediction for pair in self.pairs])
        columns = np.column_stack([bleu(self.bleu_statistics), self.meteor, self.rouge, vocabulary])
        return dict(zip(names, columns.T, strict=True))


def score_texts(pairs: Sequence[TextPair], show: Callable[[float], None] = lambda fraction: None) -> TextScores:
    """Score each text; ``show`` is told the fraction done."""
    statistics, meteors, rouges = [], [], []
    for index, pair in enumerate(pairs):
        if index % _STEP == 0:
            show(index / len(pairs))
        statistics.append(bleu_statistics(pair.reference, pair.prediction))
        meteors.append(meteor(pair.reference, pair.prediction))
        rouges.append(rouge(pair.reference, pair.prediction))
    return TextScores(tuple(pairs), np.array(statistics), np.array(meteors), np.array(rouges))


def summarize(scores: TextScores) -> dict[str, Cell]:
    """The published columns of a set of texts: mean and population deviation per text, then the corpus as a whole."""
    columns: dict[str, Cell] = {
        name: Spread(float(values.mean()), float(values.std())) for name, values in scores.by_text.items()
    }
    for order, value in enumerate(corpus_bleu(scores.bleu_statistics), start=1):
        columns[f"Overall_BLEU-{order}"] = float(value)
    columns[f"Overall_{meteor_name()}"] = float(scores.meteor.mean())
    for kind, value in zip("12L", overall_rouge(scores.rouge), strict=True):
        columns[f"Overall_ROUGE-{kind}"] = float(value)
    return columns


def nlg_tables(scores: TextScores, groups: Mapping[str, np.ndarray]) -> list[Table]:
    """The published columns with one row for each group of texts: means over texts, and the corpus as a whole."""
    summaries = {name: summarize(scores.of(chosen)) for name, chosen in groups.items()}
    by_text = (
        "Mean over texts ± population standard deviation, with the definitions of the published tables. CIDEr weighs "
        "words by how rare they are in the references of its row, so it cannot be compared between rows."
    )
    corpus = "All texts of a row taken as one: BLEU from summed counts, METEOR the mean, ROUGE the median of resamples."
    return [
        _table("nlg", "Agreement of words", " ".join([by_text, *meteor_notes()]), summaries, groups, Spread),
        _table("nlg_corpus", "Agreement of words, of the corpus", corpus, summaries, groups, float),
    ]


def _table(
    key: str,
    title: str,
    caption: str,
    summaries: Mapping[str, Mapping[str, Cell]],
    groups: Mapping[str, np.ndarray],
    kind: type,
) -> Table:
    names = [name for name, cell in next(iter(summaries.values())).items() if isinstance(cell, kind)]
    rows = [(group, len(groups[group]), *(cells[name] for name in names)) for group, cells in summaries.items()]
    return Table(key, title, caption, ("texts", "n", *names), tuple(rows))
