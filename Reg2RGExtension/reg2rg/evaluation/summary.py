"""The summary table: the most important numbers of every kind."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reg2rg.evaluation.comparison import headline_statistics
from reg2rg.evaluation.corpus import Corpus
from reg2rg.evaluation.pair_labels import PairLabels
from reg2rg.evaluation.tables import Cell, Table
from reg2rg.evaluation.text_metrics.nlg import TextScores


def summary_table(corpus: Corpus, scores: TextScores, pair_labels: PairLabels, tables: Mapping[str, Table]) -> Table:
    """Summarize an evaluation.

    Args:
        corpus: The paired texts.
        scores: Text metrics of the pairs.
        pair_labels: Findings in the pairs.
        tables: All other tables by key.

    Returns:
        A row per metric, with the value of the predictions and, where it applies to them, of the references.
    """
    rows: list[tuple[Cell, ...]] = [
        (name, corpus.interval(statistic), None)
        for name, statistic in headline_statistics(corpus, scores, pair_labels).items()
    ]
    if "recognition" in tables:
        correct, missed = (
            np.nansum(tables["recognition"].numbers(name)) for name in ("true positives", "false negatives")
        )
        slots = correct + missed
        rows.append(("region recognition accuracy", float(correct / slots) if slots else None, None))
    diversity, normal_bias = tables["diversity"], tables["normal_bias"]
    rows += [(name, *_last_cells(diversity, name)) for name in ("distinct texts", "most frequent text", "self-BLEU")]
    rows += [(name, *_last_cells(normal_bias, name)) for name in ("normal by labels", "normal by wording")]
    rare_findings = tables["rare_findings"]
    for labels, recall in zip(rare_findings.texts("labels"), rare_findings.column("recall"), strict=True):
        rows.append((f"recall, {labels}", recall, None))
    location = tables["location"]
    rows += [
        (f"findings: {question}", location.column(question)[-1], None)
        for question in ("present", "side correct", "level correct")
    ]
    contradictions = tables["contradictions"]
    for name, _, reference, prediction in contradictions.rows[-2:]:
        rows.append((f"contradictions {name}", prediction, reference))
    lengths = tables["lengths"]
    rows.append(("words per text", lengths.numbers("mean, predictions")[-1], lengths.numbers("mean, references")[-1]))
    rows.append(("KL divergence of lengths (nats)", lengths.numbers("KL")[-1], None))
    description = "All texts together, with 95% intervals. The tables below explain and break down each number."
    columns = ("metric", "predictions", "references")
    return Table("summary", "Summary", description, columns, tuple(rows), pair_labels.labeler)


def _last_cells(table: Table, name: str) -> tuple[Cell, Cell]:
    """Return the cells of the last row for predictions and references."""
    return table.column(f"{name}, predictions")[-1], table.column(f"{name}, references")[-1]
