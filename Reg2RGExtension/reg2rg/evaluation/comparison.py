"""Two systems on the same texts: how far apart they are, and whether that is more than chance."""

from __future__ import annotations

from collections.abc import Callable

from reg2rg.errors import InputError
from reg2rg.evaluation.bootstrap import Statistic, holm, mean_statistic
from reg2rg.evaluation.corpus import Corpus
from reg2rg.evaluation.inputs.predictions import DroppedItem, PairedPredictions
from reg2rg.evaluation.pair_labels import PairLabels, label_pairs
from reg2rg.evaluation.report_metrics.clinical_efficacy import case_counts, crg, macro, micro
from reg2rg.evaluation.tables import Table
from reg2rg.evaluation.text_metrics.nlg import TextScores, score_texts
from reg2rg.labeler import Labeler


def headline_statistics(corpus: Corpus, scores: TextScores, pair_labels: PairLabels) -> dict[str, Statistic]:
    """The numbers that systems are compared by: means over texts, and averages over the labels of cases."""
    cases = len(corpus.cases)
    means = {name: mean_statistic(values, corpus.owners, cases) for name, values in scores.by_text.items()}
    sums = case_counts(corpus, pair_labels)
    return {
        **means,
        "micro F1": Statistic(sums, lambda total: micro(total)[2]),
        "macro F1": Statistic(sums, lambda total: macro(total)[2]),
        "CRG": Statistic(sums, crg),
    }


def compare(
    first: PairedPredictions,
    second: PairedPredictions,
    reader: Labeler,
    seed: int,
    show: Callable[[float], None] = lambda fraction: None,
) -> tuple[Table, tuple[DroppedItem, ...]]:
    """Compare on the pairs that both have with the same reference; the others are returned."""
    theirs = {(pair.case, pair.region): pair for pair in second.pairs}
    common, dropped = [], []
    for pair in first.pairs:
        other = theirs.pop((pair.case, pair.region), None)
        if other is None or other.reference != pair.reference:
            reason = "only the first system has it" if other is None else "the two files have different references"
            dropped.append(DroppedItem(pair.case, pair.region, reason))
        else:
            common.append((pair, other))
    dropped += [DroppedItem(pair.case, pair.region, "only the second system has it") for pair in theirs.values()]
    if not common:
        raise InputError("The two files have no case in common with the same reference; nothing can be compared.")
    corpus = Corpus([pair for pair, _ in common], first.level, seed)
    sides = []
    for number, pairs in enumerate(zip(*common, strict=True)):
        scores = score_texts(pairs, lambda fraction, number=number: show((number + fraction) / 2))
        sides.append(headline_statistics(corpus, scores, label_pairs(pairs, reader)))
    return _table(corpus, *sides, reader.name), tuple(dropped)


def _table(corpus: Corpus, first: dict[str, Statistic], second: dict[str, Statistic], reader: str) -> Table:
    results = {name: corpus.bootstrap.difference(second[name], first[name]) for name in first}
    corrected = holm([p for _, p in results.values()])
    rows = tuple(
        (name, first[name].point, second[name].point, difference, p, adjusted)
        for (name, (difference, p)), adjusted in zip(results.items(), corrected, strict=True)
    )
    caption = (
        f"{len(corpus.pairs):,} texts of {len(corpus.cases):,} cases that both have. Difference: second minus first, "
        "with a 95% interval from resamples of the cases, the same for both. p: two-sided, from swapping the two "
        "systems' results of random cases 5,000 times; Holm: corrected for the number of rows."
    )
    columns = ("measure", "first", "second", "difference", "p", "p (Holm)")
    return Table("comparison", "Comparison with a second system", caption, columns, rows, reader)
