"""The complete evaluation, from prediction files to tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reg2rg.evaluation.comparison import compare
from reg2rg.evaluation.corpus import Corpus
from reg2rg.evaluation.inputs.pairing import pair_texts
from reg2rg.evaluation.inputs.prediction_files import read_predictions
from reg2rg.evaluation.inputs.predictions import DroppedItem, Level, PairedPredictions
from reg2rg.evaluation.pair_labels import label_pairs
from reg2rg.evaluation.report_metrics.clinical_efficacy import averages_table, labels_table, regions_table
from reg2rg.evaluation.report_metrics.contradictions import contradictions_table
from reg2rg.evaluation.report_metrics.location_accuracy import location_table
from reg2rg.evaluation.report_metrics.published_recognition import FILE_SUFFIX, read_recognition_report
from reg2rg.evaluation.report_metrics.region_recognition import (
    accuracy_description,
    confusion_table,
    count_recognition,
    published_description,
    recognition_table,
)
from reg2rg.evaluation.report_metrics.template_collapse import (
    diversity_table,
    normal_bias_table,
    rare_findings_table,
)
from reg2rg.evaluation.report_metrics.text_lengths import histogram_table, lengths_table
from reg2rg.evaluation.summary import summary_table
from reg2rg.evaluation.tables import Table
from reg2rg.evaluation.text_metrics.meteor import meteor_notes
from reg2rg.evaluation.text_metrics.nlg import nlg_tables, score_texts
from reg2rg.labeler import Labeler
from reg2rg.runtime.callbacks import ProgressCallback, ignore_progress


@dataclass(frozen=True)
class Evaluation:
    """Results of an evaluation.

    Attributes:
        about: What was evaluated and how, as names and values.
        notes: Remarks for readers of the results.
        dropped: Texts that were not scored.
        tables: Tables in display order.
    """

    about: dict[str, str]
    notes: tuple[str, ...]
    dropped: tuple[DroppedItem, ...]
    tables: tuple[Table, ...]

    def table(self, key: str) -> Table | None:
        """Return the table with a key, or None if there is none."""
        return next((table for table in self.tables if table.key == key), None)


def evaluate(
    predictions: Sequence[Path],
    *,
    references: Path | None = None,
    level: Level | None = None,
    labeler: Labeler,
    compare_with: Path | None = None,
    seed: int = 0,
    progress: ProgressCallback = ignore_progress,
) -> Evaluation:
    """Score predictions against their references.

    Args:
        predictions: Prediction files or folders (see ``prediction_files.read_predictions``).
        references: Reference file that replaces the references in the predictions.
        level: Level at which to score texts; the natural level of the files if None.
        labeler: Extracts the findings.
        compare_with: Predictions of a second system for the same references.
        seed: Random seed of the bootstrap.
        progress: Called with the fraction done and the current step.

    Raises:
        InputError: If a file cannot be read or there is nothing to score.
    """
    progress(0.0, "Reading predictions")
    first = pair_texts(read_predictions(predictions, references), level)
    second = pair_texts(read_predictions([compare_with], references), first.level) if compare_with else None
    corpus = Corpus(first.pairs, first.level, seed)
    share = 0.4 if second else 0.7
    scores = score_texts(first.pairs, _subrange(progress, 0.05, 0.05 + share))
    pair_labels = label_pairs(first.pairs, labeler, _subrange(progress, 0.05 + share, 0.15 + share))
    progress(0.17 + share, "Computing tables")
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
    notes = list(first.notes)
    if second:
        comparison, not_compared = compare(first, second, labeler, seed, _subrange(progress, 0.6, 0.95))
        tables.append(comparison)
        dropped += tuple(replace(item, reason=f"second system: {item.reason}") for item in second.dropped)
        dropped += not_compared
        notes += [f"Second system: {note}" for note in second.notes]
    summary = summary_table(corpus, scores, pair_labels, {table.key: table for table in tables})
    about = _about(first, corpus, labeler, compare_with, seed)
    return Evaluation(about, (*notes, *meteor_notes()), dropped, (summary, *tables))


def _subrange(progress: ProgressCallback, start: float, end: float) -> ProgressCallback:
    """Return a callback that maps fractions from 0 to 1 to a part of the whole."""
    return lambda fraction, message: progress(start + fraction * (end - start), message)


def _recognition_tables(first: PairedPredictions, paths: Sequence[Path]) -> list[Table]:
    """Return the tables of region recognition.

    They come from the slots of the texts, or otherwise from the report printed by the published evaluation if it is in
    one of the folders.
    """
    if first.slots:
        recognition, description = count_recognition(first.slots.values()), accuracy_description(first.slots)
    else:
        files = [file for path in paths if path.is_dir() for file in sorted(path.glob(f"*{FILE_SUFFIX}"))]
        if not files:
            return []
        published = read_recognition_report(files[0])
        recognition = published.recognition
        description = published_description(files[0].name, published.unattributed)
    return [recognition_table(recognition, description), confusion_table(recognition, description)]


def _about(
    first: PairedPredictions, corpus: Corpus, labeler: Labeler, compare_with: Path | None, seed: int
) -> dict[str, str]:
    more = f" and {len(first.names) - 1} more files" if len(first.names) > 1 else ""
    return {
        "predictions": first.names[0] + more,
        **({"second system": compare_with.name} if compare_with else {}),
        "level": first.level.value,
        "cases": f"{len(corpus.cases):,}",
        "texts": f"{len(corpus.pairs):,}",
        "labeler": labeler.name,
        "bootstrap": f"1,000 resamples of cases, seed {seed}",
    }
