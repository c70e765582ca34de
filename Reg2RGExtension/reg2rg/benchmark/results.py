"""Results of a model on held-out phantoms, and the comparison of several models."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from reg2rg.benchmark.calibration_error import label_probabilities, reliability_bins, reliability_plot
from reg2rg.benchmark.collect import collect_records
from reg2rg.benchmark.finding_groups import REGION_OF
from reg2rg.benchmark.metrics import SOURCE_SEPARATOR, Metric, available_sources, compute_metrics, count_outcomes
from reg2rg.benchmark.records import CaseRecord
from reg2rg.benchmark.result_tables import (
    calibration_table,
    collapse_table,
    label_table,
    pointing_table,
    size_table,
)
from reg2rg.benchmark.statements import from_text, match_statements
from reg2rg.evaluation import Bootstrap, Cell, Interval, Table, to_markdown
from reg2rg.runtime.callbacks import ProgressCallback, ignore_progress


@dataclass(frozen=True)
class BenchmarkResults:
    """What a model answered about phantoms, and all numbers that follow from it.

    Attributes:
        records: One record per case.
    """

    records: tuple[CaseRecord, ...]

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """Headline metrics by name."""
        return compute_metrics(self.records)

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """Values of the headline metrics by name, with 95% intervals from bootstrap resampling of cases."""
        bootstrap = Bootstrap(len(self.records), seed=0)
        return {name: bootstrap.interval(metric.statistic) for name, metric in self.metrics.items()}

    @property
    def has_head(self) -> bool:
        """Whether the model has a finding head."""
        return "head" in available_sources(self.records)

    def tables(self) -> list[Table]:
        """Return all tables, headline metrics first."""
        head_tables = [pointing_table(self.records), calibration_table(self.records)] if self.has_head else []
        return [
            self._findings_table(),
            self._other_metrics_table(),
            size_table(self.records),
            label_table(self.records),
            *head_tables,
            collapse_table(self.records),
        ]

    def to_markdown(self) -> str:
        """Return all tables as Markdown."""
        return "\n".join(map(to_markdown, self.tables()))

    def to_json_dict(self) -> dict[str, Any]:
        """Return the headline metrics and the counts of each label as JSON types."""
        outcomes = [outcome for outcome in match_statements(self.records, from_text) if outcome.in_headline]
        counts = {}
        for label in REGION_OF:
            tp, fp, fn = count_outcomes([o for o in outcomes if o.label == label], len(self.records)).sum(axis=0)
            counts[label] = {"true_positives": int(tp), "false_positives": int(fp), "false_negatives": int(fn)}
        return {
            "cases": len(self.records),
            "first_case": self.records[0].name,
            "last_case": self.records[-1].name,
            "metrics": {
                name: {
                    "value": interval.value,
                    "low": interval.low,
                    "high": interval.high,
                    "units": self.metrics[name].units,
                }
                for name, interval in self.intervals.items()
            },
            "counts": counts,
        }

    def reliability_plot(self) -> bytes:
        """Return the reliability plot of the finding head as the content of a PNG file."""
        return reliability_plot(reliability_bins(label_probabilities(self.records)))

    def _findings_table(self) -> Table:
        """Return the metrics of the sources side by side."""
        sources = available_sources(self.records)
        prefix = f"{sources[0]}{SOURCE_SEPARATOR}"
        rows = []
        for full_name, metric in self.metrics.items():
            if full_name.startswith(prefix):
                name = full_name.removeprefix(prefix)
                cells = [self.intervals[f"{source}{SOURCE_SEPARATOR}{name}"] for source in sources]
                rows.append((name, metric.goal, self._meets_goal(full_name), metric.units, *cells))
        description = (
            f"{len(self.records)} held-out phantoms, seeds {self.records[0].name} to {self.records[-1].name}; 95% "
            "intervals from bootstrap resampling of cases. Findings extracted from the text by "
            "reg2rg.labeler.extract_mentions, or with a probability of at least 0.5 from the head, are compared with "
            "planted findings of 8 mm or more or without a size. Every false alarm counts, whatever its size. Side, "
            "lobe or level, and size are assessed for correct findings if the phantom's own report states them. Goal, "
            "met and n (the number of items that a metric is a share of) refer to the text."
        )
        columns = ("metric", "goal", "met", "n", *sources)
        return Table("findings", "Findings", description, columns, tuple(rows))

    def _other_metrics_table(self) -> Table:
        rows = [
            (name, metric.goal, self._meets_goal(name), metric.units, self.intervals[name])
            for name, metric in self.metrics.items()
            if SOURCE_SEPARATOR not in name
        ]
        description = (
            "Pointing accuracy: share of planted findings, detected or not, of 8 mm or more or without a size, that "
            "contain the maximum of their finding map. Calibration error: expected calibration error with 15 bins, "
            "over every label in the region it belongs to. Text and head agree: over the same labels. Correction "
            "followed: sections regenerated after a correct finding was rejected, or after an absent finding was "
            "marked as present. Flagged as out of distribution: by the model's own check."
        )
        columns = ("metric", "goal", "met", "n", "value")
        title = "Regions, pointing, calibration and corrections"
        return Table("other_metrics", title, description, columns, tuple(rows))

    def _meets_goal(self, name: str) -> str | None:
        metric, value = self.metrics[name], self.intervals[name].value
        if metric.goal is None or math.isnan(value):
            return None
        return "yes" if metric.meets_goal(value, metric.goal) else "no"


def run_benchmark(
    model: Path,
    seeds: Iterable[int],
    folder: Path,
    *,
    parallel: bool | None = None,
    processes: int = 2,
    device: str = "cpu",
    progress: ProgressCallback = ignore_progress,
) -> BenchmarkResults:
    """Measure a model on held-out phantoms.

    Args:
        model: Model folder.
        seeds: Seeds of the phantoms.
        folder: Folder for the records (see ``collect.collect_records``).
        parallel: As in ``ReportGenerator.generate``; the way the model was trained if None.
        processes: Number of parallel processes.
        device: Device to run on.
        progress: Called after each case.
    """
    records = collect_records(
        model, seeds, folder, parallel=parallel, processes=processes, device=device, progress=progress
    )
    return BenchmarkResults(tuple(records))


def comparison_tables(results: Mapping[str, BenchmarkResults]) -> list[Table]:
    """Return the headline metrics and the signs of template collapse of several models, one column each.

    Args:
        results: Name of the model -> its results.
    """
    names = list(dict.fromkeys(name for of_model in results.values() for name in of_model.intervals))
    metric_rows: list[tuple[Cell, ...]] = [
        (name, *(of_model.intervals.get(name) for of_model in results.values())) for name in names
    ]
    metrics = Table("models", "Metrics by model", "95% intervals.", ("metric", *results), tuple(metric_rows))
    collapse = {name: collapse_table(of_model.records) for name, of_model in results.items()}
    first = next(iter(collapse.values()))
    columns = {"references": first.column("references")}
    columns |= {name: table.column("text") for name, table in collapse.items()}
    description = f"{first.description} References: the phantoms' own sections, for the first model."
    rows = tuple(zip(first.column("metric"), *columns.values(), strict=True))
    return [metrics, Table("collapse", "Template collapse", description, ("metric", *columns), rows)]
