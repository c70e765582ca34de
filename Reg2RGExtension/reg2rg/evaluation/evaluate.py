"""The whole way: predictions in, every table out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reg2rg.evaluation.comparison import compare
from reg2rg.evaluation.dataset import Frame
from reg2rg.evaluation.inputs.prediction_files import read_source
from reg2rg.evaluation.inputs.predictions import Dropped, Level, Predictions, cut
from reg2rg.evaluation.inputs.published_recognition import FILE_ENDING, read_printed
from reg2rg.evaluation.labels import read_pairs
from reg2rg.evaluation.output.summary import summary_table
from reg2rg.evaluation.output.tables import Table
from reg2rg.evaluation.report_metrics.clinical import averages_table, labels_table, regions_table
from reg2rg.evaluation.report_metrics.contradictions import contradictions_table
from reg2rg.evaluation.report_metrics.lengths import histogram_table, lengths_table
from reg2rg.evaluation.report_metrics.location_accuracy import location_table
from reg2rg.evaluation.report_metrics.region_recognition import (
    accuracy_caption,
    printed_caption,
    recognise,
    recognition_table,
    swaps_table,
)
from reg2rg.evaluation.report_metrics.template_collapse import diversity_table, normal_table, survival_table
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
    dropped: tuple[Dropped, ...]
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
    first = cut(read_source(predictions, references), level)
    second = cut(read_source([other], references), first.level) if other else None
    frame = Frame(first.pairs, first.level, seed)
    share = 0.4 if second else 0.7
    scores = score_texts(first.pairs, lambda done: show(0.05 + share * done, "Agreement of words"))
    readings = read_pairs(first.pairs, reader, lambda done: show(0.05 + share + 0.1 * done, "Findings"))
    show(0.17 + share, "Tables")
    tables = [
        *nlg_tables(scores, frame.groups),
        averages_table(frame, readings),
        labels_table(frame, readings),
        *([regions_table(frame, readings)] if first.level is Level.REGION else []),
        *_recognition_tables(first, predictions),
        diversity_table(frame),
        normal_table(frame, readings),
        survival_table(frame, readings),
        location_table(frame, readings),
        contradictions_table(frame, readings),
        lengths_table(frame),
        histogram_table(frame),
    ]
    dropped = first.dropped
    if second:
        compared, missing = compare(first, second, reader, seed, lambda done: show(0.6 + 0.35 * done, "Comparison"))
        tables.append(compared)
        dropped += (*(replace(item, reason=f"second system: {item.reason}") for item in second.dropped), *missing)
    summary = summary_table(frame, scores, readings, {table.key: table for table in tables})
    others = (f"Second system: {note}" for note in (second.notes if second else ()))
    notes = (*first.notes, *others, *meteor_notes())
    return Evaluation(_about(first, frame, reader, other, seed), notes, dropped, (summary, *tables))


def _recognition_tables(first: Predictions, paths: Sequence[Path]) -> list[Table]:
    """From the slots of the texts, else from the report that the published evaluation prints, if it is there."""
    if first.slots:
        recognition, caption = recognise(first.slots.values()), accuracy_caption(first.slots)
    else:
        files = [file for path in paths if path.is_dir() for file in sorted(path.glob(f"*{FILE_ENDING}"))]
        if not files:
            return []
        printed = read_printed(files[0])
        recognition, caption = printed.recognition, printed_caption(files[0].name, printed.untold)
    return [recognition_table(recognition, caption), swaps_table(recognition, caption)]


def _about(first: Predictions, frame: Frame, reader: Labeler, other: Path | None, seed: int) -> dict[str, str]:
    return {
        "predictions": first.names[0] + (f" and {len(first.names) - 1} more files" if len(first.names) > 1 else ""),
        **({"second system": other.name} if other else {}),
        "level": first.level.value,
        "cases": f"{len(frame.cases):,}",
        "texts": f"{len(frame.pairs):,}",
        "labels read by": reader.name,
        "resampling": f"1,000 resamples of cases, seed {seed}",
    }
