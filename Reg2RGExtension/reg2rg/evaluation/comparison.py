"""Comparison of two systems on the same texts, with a significance test."""

from __future__ import annotations

from reg2rg.errors import InputError
from reg2rg.evaluation.bootstrap import Statistic, holm, mean_statistic
from reg2rg.evaluation.corpus import Corpus
from reg2rg.evaluation.inputs.predictions import DroppedItem, PairedPredictions, TextPair
from reg2rg.evaluation.pair_labels import PairLabels, label_pairs
from reg2rg.evaluation.report_metrics.clinical_efficacy import case_counts, crg, macro, micro
from reg2rg.evaluation.tables import Table
from reg2rg.evaluation.text_metrics.nlg import TextScores, score_texts
from reg2rg.labeler import Labeler
from reg2rg.runtime.callbacks import ProgressCallback, ignore_progress


def headline_statistics(corpus: Corpus, scores: TextScores, pair_labels: PairLabels) -> dict[str, Statistic]:
    """Return the statistics by which systems are compared: means over texts, and averages over the labels of cases."""
    cases = len(corpus.cases)
    means = {name: mean_statistic(values, corpus.owners, cases) for name, values in scores.by_metric.items()}
    counts = case_counts(corpus, pair_labels)
    return {
        **means,
        "micro F1": Statistic(counts, lambda total: micro(total)[2]),
        "macro F1": Statistic(counts, lambda total: macro(total)[2]),
        "CRG": Statistic(counts, crg),
    }


def compare(
    first: PairedPredictions,
    second: PairedPredictions,
    labeler: Labeler,
    seed: int,
    progress: ProgressCallback = ignore_progress,
) -> tuple[Table, tuple[DroppedItem, ...]]:
    """Compare two systems on the pairs that both have and that have the same reference in both.

    Args:
        first: Predictions of the first system.
        second: Predictions of the second system.
        labeler: Extracts the findings.
        seed: Random seed of the bootstrap.
        progress: Called with the fraction done.

    Returns:
        The comparison, and the texts that could not be compared.

    Raises:
        InputError: If no text can be compared.
    """
    common, dropped = _common_pairs(first, second)
    if not common:
        raise InputError("The two systems cannot be compared: they have no case with the same reference in common.")
    corpus = Corpus([pair for pair, _ in common], first.level, seed)
    systems = []
    for start, pairs in ((0.0, [pair for pair, _ in common]), (0.5, [pair for _, pair in common])):

        def half(fraction: float, message: str, start: float = start) -> None:
            progress(start + fraction / 2, "Comparing systems")

        systems.append(headline_statistics(corpus, score_texts(pairs, half), label_pairs(pairs, labeler)))
    return _table(corpus, systems[0], systems[1], labeler.name), tuple(dropped)


def _common_pairs(
    first: PairedPredictions, second: PairedPredictions
) -> tuple[list[tuple[TextPair, TextPair]], list[DroppedItem]]:
    """Match the pairs of two systems."""
    unmatched = {(pair.case, pair.region): pair for pair in second.pairs}
    common: list[tuple[TextPair, TextPair]] = []
    dropped: list[DroppedItem] = []
    for pair in first.pairs:
        other = unmatched.pop((pair.case, pair.region), None)
        if other is None:
            dropped.append(DroppedItem(pair.case, pair.region, "missing from the second system"))
        elif other.reference != pair.reference:
            dropped.append(DroppedItem(pair.case, pair.region, "different references in the two systems"))
        else:
            common.append((pair, other))
    dropped += [DroppedItem(pair.case, pair.region, "missing from the first system") for pair in unmatched.values()]
    return common, dropped


def _table(corpus: Corpus, first: dict[str, Statistic], second: dict[str, Statistic], labeler: str) -> Table:
    results = {name: corpus.bootstrap.difference(second[name], first[name]) for name in first}
    adjusted = holm([p for _, p in results.values()])
    rows = tuple(
        (name, first[name].point, second[name].point, difference, p, p_holm)
        for (name, (difference, p)), p_holm in zip(results.items(), adjusted, strict=True)
    )
    description = (
        f"{len(corpus.pairs):,} texts of {len(corpus.cases):,} cases that both systems have. Difference: second minus "
        "first, with a 95% interval from the same bootstrap resamples of cases for both. p: two-sided, from "
        "approximate randomization (the results of the two systems are swapped for random cases 5,000 times). p "
        "(Holm): adjusted for the number of rows."
    )
    columns = ("metric", "first", "second", "difference", "p", "p (Holm)")
    return Table("comparison", "Comparison with a second system", description, columns, rows, labeler)
