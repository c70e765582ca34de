"""The whole way: predictions in, every table out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reg2rg.evaluation.comparison import compare
from reg2rg.evaluation.corpus import Corpus
from reg2rg.evaluation.inputs.prediction_files import read_predictions
from reg2rg.evaluation.inputs.predictions import DroppedItem, Level, PairedPredictions, pair_texts
from reg2rg.evaluation.inputs.published_recognition import FILE_ENDING, read_recognition_report
from reg2rg.evaluation.pair_labels import label_pairs
from reg2rg.evaluation.report_metrics.clinical_efficacy import averages_table, labels_table, regions_table
from reg2rg.evaluation.report_metrics.contradictions import contradictions_table
from reg2rg.evaluation.report_metrics.location_accuracy import location_table
from reg2rg.evaluation.report_metrics.region_recognition import (
    accuracy_caption,
    confusion_table,
    count_recognition,
    published_caption,
    recognition_table,
)
from reg2rg.evaluation.report_metrics.template_collapse import diversity_table, normal_bias_table, rare_findings_table
from reg2rg.evaluation.report_metrics.text_lengths import histogram_table, lengths_table
from reg2rg.evaluation.summary import summary_table
from reg2rg.evaluation.tables import Table
from reg2rg.evaluation.text_metrics.meteor import meteor_notes
from reg2rg.evaluation.text_metrics.nlg import nlg_tables, score_texts
from reg2rg.labeler import Labeler

Show = Callable[[float, str], None]
"""Told the fraction done (0 to 1) and what is being done."""


@dataclass(frozen=True)
class Evaluation:
    """Results.

    Attributes:
        about: what was scored and how, name -> value.
        notes: what a reader of the results must know.
        dropped: what could not be scored, by name.
        tables: in the order they are shown.
    """

    about: dict[str, str]
    notes: tuple[str, ...]
    dropped: tuple[DroppedItem, ...]
    tables: tuple[Table, ...]

    def table(self, key: str) -> Table | None:
        """The table of that key, None if there is none."""
        return next((table for table in self.tables if table.key == key), None)


def evaluate(
    predictions: Sequence[Path],
    *,
    references: Path | None = None,
    level: Level | None = None,
    reader: Labeler,
    other: Path | None = None,
    seed: int = 0,
    show: Show = lambda fraction, message: None,
) -> Evaluation:
    """Score predictions (see ``sources.read_source``).

    Args:
        level: reports or regions; what fits the files if None.
        reader: of labels.
        other: predictions of a second system for the same references, to compare with.
        seed: of the resampling.
    """
    show(0.0, "Reading")
    first = pair_texts(read_predictions(predictions, references), level)
    second = pair_texts(read_predictions([other], references), first.level) if other else None
    corpus = Corpus(first.pairs, first.level, seed)
    share = 0.4 if second else 0.7
    scores = score_texts(first.pairs, lambda done: show(0.05 + share * done, "Agreement of words"))
    pair_labels = label_pairs(first.pairs, reader, lambda done: show(0.05 + share + 0.1 * done, "Findings"))
    show(0.17 + share, "Tables")
    tables = [
        *nlg_tables(scores, corpus.groups),
        averages_table(corpus, pair_labels),
        labels_table(corpus, pair_labels),
        *([regions_table(corpus, pair_labels)] if first.level is Level.REGION else []),
        *_recognition_tables(first, predictions),
        diversity_table(corpus),
        normal_bias_table(corpus, pair_labels),
        rare_findings_table(corpus, pair_labels),
        location_table(corpus, pair_labels),
        contradictions_table(corpus, pair_labels),
        lengths_table(corpus),
        histogram_table(corpus),
    ]
    dropped = first.dropped
    if second:
        compared, missing = compare(first, second, reader, seed, lambda done: show(0.6 + 0.35 * done, "Comparison"))
        tables.append(compared)
        dropped += (*(replace(item, reason=f"second system: {item.reason}") for item in second.dropped), *missing)
    summary = summary_table(corpus, scores, pair_labels, {table.key: table for table in tables})
    others = (f"Second system: {note}" for note in (second.notes if second else ()))
    notes = (*first.notes, *others, *meteor_notes())
    return Evaluation(_about(first, corpus, reader, other, seed), notes, dropped, (summary, *tables))


def _recognition_tables(first: PairedPredictions, paths: Sequence[Path]) -> list[Table]:
    """From the slots of the texts, else from the report that the published evaluation prints, if it is there."""
    if first.slots:
        recognition, caption = count_recognition(first.slots.values()), accuracy_caption(first.slots)
    else:
        files = [file for path in paths if path.is_dir() for file in sorted(path.glob(f"*{FILE_ENDING}"))]
        if not files:
            return []
        printed = read_recognition_report(files[0])
        recognition, caption = printed.recognition, published_caption(files[0].name, printed.unattributed)
    return [recognition_table(recognition, caption), confusion_table(recognition, caption)]


def _about(first: PairedPredictions, corpus: Corpus, reader: Labeler, other: Path | None, seed: int) -> dict[str, str]:
    return {
        "predictions": first.names[0] + (f" and {len(first.names) - 1} more files" if len(first.names) > 1 else ""),
        **({"second system": other.name} if other else {}),
        "level": first.level.value,
        "cases": f"{len(corpus.cases):,}",
        "texts": f"{len(corpus.pairs):,}",
        "labels read by": reader.name,
        "resampling": f"1,000 resamples of cases, seed {seed}",
    }
