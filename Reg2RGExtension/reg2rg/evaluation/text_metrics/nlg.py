"""Text overlap metrics per text and for the corpus, in the columns of the published tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reg2rg.evaluation.inputs.predictions import TextPair
from reg2rg.evaluation.tables import Cell, Spread, Table
from reg2rg.evaluation.text_metrics.bleu import bleu, bleu_statistics, corpus_bleu
from reg2rg.evaluation.text_metrics.cider import cider
from reg2rg.evaluation.text_metrics.meteor import meteor, meteor_name, meteor_notes
from reg2rg.evaluation.text_metrics.rouge import overall_rouge, rouge
from reg2rg.runtime.callbacks import ProgressCallback, ignore_progress

_PROGRESS_EVERY = 50


@dataclass(frozen=True)
class TextScores:
    """Scores of individual texts.

    Attributes:
        pairs: The scored pairs.
        bleu_statistics: Output of ``bleu.bleu_statistics``, (texts, 6).
        meteor: METEOR, (texts,).
        rouge: ROUGE-1, ROUGE-2 and ROUGE-L, (texts, 3).
    """

    pairs: tuple[TextPair, ...]
    bleu_statistics: np.ndarray
    meteor: np.ndarray
    rouge: np.ndarray

    def select(self, indices: np.ndarray) -> TextScores:
        """Return the scores of some of the texts."""
        if len(indices) == len(self.pairs):
            return self
        pairs = tuple(self.pairs[index] for index in indices)
        return TextScores(pairs, self.bleu_statistics[indices], self.meteor[indices], self.rouge[indices])

    @cached_property
    def by_metric(self) -> dict[str, np.ndarray]:
        """Metric -> its value for each text. CIDEr takes its document frequencies from these references only."""
        names = (*(f"BLEU-{order}" for order in range(1, 5)), meteor_name(), "ROUGE-1", "ROUGE-2", "ROUGE-L", "CIDEr")
        ciders = cider([pair.reference for pair in self.pairs], [pair.prediction for pair in self.pairs])
        columns = np.column_stack([bleu(self.bleu_statistics), self.meteor, self.rouge, ciders])
        return dict(zip(names, columns.T, strict=True))


def score_texts(pairs: Sequence[TextPair], progress: ProgressCallback = ignore_progress) -> TextScores:
    """Score each text.

    Args:
        pairs: The pairs to score.
        progress: Called with the fraction done.
    """
    statistics, meteors, rouges = [], [], []
    for index, pair in enumerate(pairs):
        if index % _PROGRESS_EVERY == 0:
            progress(index / len(pairs), "Computing text metrics")
        statistics.append(bleu_statistics(pair.reference, pair.prediction))
        meteors.append(meteor(pair.reference, pair.prediction))
        rouges.append(rouge(pair.reference, pair.prediction))
    return TextScores(tuple(pairs), np.array(statistics), np.array(meteors), np.array(rouges))


def summarize(scores: TextScores) -> dict[str, Cell]:
    """Return the published columns for a set of texts.

    Returns:
        Mean and population standard deviation of each metric, then the corpus-level values (``Overall_...``).
    """
    columns: dict[str, Cell] = {
        name: Spread(float(values.mean()), float(values.std())) for name, values in scores.by_metric.items()
    }
    for order, value in enumerate(corpus_bleu(scores.bleu_statistics), start=1):
        columns[f"Overall_BLEU-{order}"] = float(value)
    columns[f"Overall_{meteor_name()}"] = float(scores.meteor.mean())
    for variant, value in zip("12L", overall_rouge(scores.rouge), strict=True):
        columns[f"Overall_ROUGE-{variant}"] = float(value)
    return columns


def nlg_tables(scores: TextScores, groups: Mapping[str, np.ndarray]) -> list[Table]:
    """Return the published columns as two tables, means over texts and corpus level.

    Args:
        scores: Scores of all texts.
        groups: Group name -> indices of its texts. Each group gets a row.
    """
    summaries = {name: summarize(scores.select(indices)) for name, indices in groups.items()}
    text_level = (
        "Mean over texts ± population standard deviation, with the definitions of the published tables. CIDEr weights "
        "n-grams by their rarity in the references of the same row, so it cannot be compared between rows."
    )
    corpus_level = (
        "All texts of a row as one corpus: BLEU from summed counts, mean METEOR, and the median of bootstrap means for "
        "ROUGE."
    )
    return [
        _table("nlg", "Text metrics", " ".join([text_level, *meteor_notes()]), summaries, groups, Spread),
        _table("nlg_corpus", "Text metrics, corpus level", corpus_level, summaries, groups, float),
    ]


def _table(
    key: str,
    title: str,
    description: str,
    summaries: Mapping[str, Mapping[str, Cell]],
    groups: Mapping[str, np.ndarray],
    kind: type,
) -> Table:
    """Return a table of the columns whose cells have one type."""
    names = [name for name, cell in next(iter(summaries.values())).items() if isinstance(cell, kind)]
    rows = [(group, len(groups[group]), *(cells[name] for name in names)) for group, cells in summaries.items()]
    return Table(key, title, description, ("texts", "n", *names), tuple(rows))
