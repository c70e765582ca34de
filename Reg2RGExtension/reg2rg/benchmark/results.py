"""Measuring a model on held-out phantoms, and several beside one another."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from reg2rg.benchmark.calibration_error import label_probabilities, reliability_plot
from reg2rg.benchmark.collect import collect_records
from reg2rg.benchmark.finding_groups import REGION_OF
from reg2rg.benchmark.metrics import SOURCE_SEPARATOR, Metric, available_sources, counts, measures
from reg2rg.benchmark.records import CaseRecord
from reg2rg.benchmark.result_tables import calibration_table, label_table, pointing_table, size_table
from reg2rg.benchmark.statements import from_text, outcomes
from reg2rg.benchmark.template_collapse import collapse_table
from reg2rg.evaluation.bootstrap import Bootstrap
from reg2rg.evaluation.tables import Cell, Interval, Table, to_markdown


@dataclass(frozen=True)
class BenchmarkResults:
    """What a model answered about phantoms, and every number that follows from it."""

    records: tuple[CaseRecord, ...]

    @cached_property
    def measures(self) -> dict[str, Metric]:
        """Name -> headline number."""
        return measures(self.records)

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """Name -> headline number with its 95% interval, from resampling cases."""
        bootstrap = Bootstrap(len(self.records), seed=0)
        return {name: bootstrap.interval(measure.statistic) for name, measure in self.measures.items()}

    @property
    def has_head(self) -> bool:
        """Whether the model has a finding head."""
        return "head" in available_sources(self.records)

    def tables(self) -> list[Table]:
        """All of them, the headline numbers first."""
        seen = [pointing_table(self.records), calibration_table(self.records)] if self.has_head else []
        return [
            self._findings(),
            self._others(),
            size_table(self.records),
            label_table(self.records),
            *seen,
            collapse_table(self.records),
        ]

    def table(self) -> str:
        """All tables as Markdown."""
        return "\n".join(map(to_markdown, self.tables()))

    def as_dict(self) -> dict[str, Any]:
        """Plain types: each headline number with interval and units, and what was counted of each finding."""
        found = [outcome for outcome in outcomes(self.records, from_text) if outcome.grown]
        return {
            "cases": len(self.records),
            "first": self.records[0].name,
            "last": self.records[-1].name,
            "measures": {
                name: {"value": i.value, "low": i.low, "high": i.high, "units": self.measures[name].units}
                for name, i in self.intervals.items()
            },
            "counts": {
                label: dict(zip(("right", "false", "missed"), row, strict=True))
                for label in REGION_OF
                for row in [
                    counts([o for o in found if o.label == label], len(self.records)).sum(0).astype(int).tolist()
                ]
            },
        }

    def reliability(self) -> bytes:
        """The reliability plot of the finding head, a PNG."""
        return reliability_plot(label_probabilities(self.records))

    def _findings(self) -> Table:
        """The sources' numbers beside one another."""
        sources = available_sources(self.records)
        first = sources[0] + SOURCE_SEPARATOR
        rows = []
        for name, measure in self.measures.items():
            if name.startswith(first):
                key = name.removeprefix(first)
                cells = [self.intervals[f"{source}{SOURCE_SEPARATOR}{key}"] for source in sources]
                rows.append((key, measure.goal, self._reached(name), measure.units, *cells))
        caption = (
            f"{len(self.records)} held-out phantoms, seeds {self.records[0].name} to {self.records[-1].name}; 95% "
            "intervals from resampling cases. What is stated, read from the text by reg2rg.labeler.extract_mentions or "
            "given at least 0.5 by the head, against what was planted: findings of 8 mm and more or of no size. Every "
            "false alarm counts, whatever its size. Side, lobe or level, and size: of right findings, where there is "
            "one and the phantom's own report tells it. Goal, whether it is reached, and of how many things it is a "
            "share: of the text."
        )
        return Table("findings", "Findings", caption, ("measure", "goal", "reached", "of", *sources), tuple(rows))

    def _others(self) -> Table:
        rows = [
            (name, self.measures[name].goal, self._reached(name), self.measures[name].units, self.intervals[name])
            for name in self.measures
            if SOURCE_SEPARATOR not in name
        ]
        caption = (
            "Pointing: the maximum of the finding's map lies in the planted finding (8 mm and more or of no size, "
            "detected or not). Calibration error: expected, of 15 bins, of each label in the region it belongs to, as "
            "is the agreement of text and head. Corrected: sections written again after a right finding was rejected, "
            "or one that is not there was claimed. Unlike the training data: by the model's own check."
        )
        return Table("others", "Regions, places, probabilities", caption, ("measure", "goal", "reached", "of", "value"),
                     tuple(rows))  # fmt: skip

    def _reached(self, name: str) -> str | None:
        measure, value = self.measures[name], self.intervals[name].value
        if measure.goal is None or math.isnan(value):
            return None
        return "yes" if measure.reached(value, measure.goal) else "no"


def run_benchmark(
    model: Path,
    seeds: Iterable[int],
    folder: Path,
    *,
    parallel: bool | None = None,
    processes: int = 2,
    device: str = "cpu",
    show: Callable[[int, int], None] = lambda done, all: None,
) -> BenchmarkResults:
    """Ask the model of a folder about held-out phantoms and measure its answers; arguments as for ``collect``."""
    return BenchmarkResults(
        tuple(collect_records(model, seeds, folder, parallel=parallel, processes=processes, device=device, show=show))
    )


def comparison_tables(results: Mapping[str, BenchmarkResults]) -> list[Table]:
    """The headline numbers and the collapse of several models, one column each."""
    names = list(dict.fromkeys(name for of_one in results.values() for name in of_one.intervals))
    rows: list[tuple[Cell, ...]] = [(name, *(r.intervals.get(name) for r in results.values())) for name in names]
    headline = Table("variants", "Variants", "95% intervals.", ("measure", *results), tuple(rows))
    collapsed = {name: collapse_table(of_one.records) for name, of_one in results.items()}
    first = next(iter(collapsed.values()))
    columns = {"references": first.column("references")}
    columns |= {name: table.column("text") for name, table in collapsed.items()}
    caption = f"{first.caption} References are those of the first column's phantoms."
    rows = list(zip(first.column("measure"), *columns.values(), strict=True))
    return [headline, Table("collapse", "Template collapse", caption, ("measure", *columns), tuple(rows))]
