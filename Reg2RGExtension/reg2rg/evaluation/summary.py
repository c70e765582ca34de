"""The table that stands first: the number of each kind that says most."""

from __future__ import annotations

from collections.abc import Mapping

from reg2rg.evaluation.comparison import headline_statistics
from reg2rg.evaluation.corpus import Corpus
from reg2rg.evaluation.pair_labels import PairLabels
from reg2rg.evaluation.tables import Cell, Table
from reg2rg.evaluation.text_metrics.nlg import TextScores


def summary_table(corpus: Corpus, scores: TextScores, pair_labels: PairLabels, tables: Mapping[str, Table]) -> Table:
    """Predictions, and beside them the references where they show the same of themselves."""
    rows: list[tuple[Cell, ...]] = [
        (name, corpus.interval(statistic), None)
        for name, statistic in headline_statistics(corpus, scores, pair_labels).items()
    ]
    if "recognition" in tables:
        total = [sum(cell for cell in tables["recognition"].column(name)[:-1]) for name in ("right", "missed")]
        rows.append(("slots given their region's name", total[0] / sum(total), None))
    diversity, normal = tables["diversity"], tables["normal"]
    rows += [(name, *_sides(diversity, name)) for name in ("distinct texts", "most frequent text", "self-BLEU")]
    rows += [(f"{name} (share of texts)", *_sides(normal, name)) for name in ("free of the 18", "worded normal")]
    rows += [(f"recall, labels {row[0]}", row[3], None) for row in tables["survival"].rows]
    last = dict(zip(tables["location"].columns, tables["location"].rows[-1], strict=True))
    rows += [
        (f"of the reference's findings: {step}", last[step], None) for step in ("present", "right side", "right level")
    ]
    rows += [(f"contradiction {row[0]}", row[3], row[2]) for row in tables["contradictions"].rows[-2:]]
    rows.append(("words per text, mean", *(float(tables["lengths"].rows[-1][column]) for column in (3, 2))))
    rows.append(("KL of lengths, nats", float(tables["lengths"].column("KL")[-1]), None))
    caption = (
        "Of all texts together, with 95% intervals; the tables below say what each number means and show its parts."
    )
    return Table(
        "summary", "Summary", caption, ("measure", "predictions", "references"), tuple(rows), pair_labels.reader
    )


def _sides(table: Table, name: str) -> tuple[Cell, Cell]:
    """The last row's value for predictions and for references."""
    return table.column(f"{name}, predictions")[-1], table.column(f"{name}, references")[-1]
