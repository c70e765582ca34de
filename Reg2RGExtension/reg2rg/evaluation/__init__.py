"""Evaluation of predicted reports against reference reports. The inference path never imports this package.

Files in the order data flows:

    inputs/          predicted and reference reports, read from files and paired
    corpus           the paired texts, grouped by region
    pair_labels      labels and mentions that a labeler extracts from both texts of each pair
    text_metrics/    word overlap: BLEU, ROUGE, METEOR, CIDEr
    report_metrics/  what reports claim: findings, regions, locations, contradictions, template collapse, lengths
    tables           the data structure for all results
    bootstrap        confidence intervals and significance tests
    comparison       two systems on the same texts
    summary          the most important numbers in one table
    evaluate         everything above, from predictions to tables
    output/          CSV, JSON, Markdown, plots and an HTML page
    run              the entry point behind ``reg2rg evaluate``
    reviews/         what reviewers did to drafts

docs/evaluation.md defines every number.
"""

from reg2rg.evaluation.bootstrap import Bootstrap, Statistic, mean_statistic
from reg2rg.evaluation.run import run
from reg2rg.evaluation.tables import Cell, Interval, Table, format_cell, to_markdown

__all__ = [
    "Bootstrap",
    "Cell",
    "Interval",
    "Statistic",
    "Table",
    "format_cell",
    "mean_statistic",
    "run",
    "to_markdown",
]
