"""Measuring a model on held-out phantoms, and several beside one another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from reg2rg.evaluation.bootstrap import Bootstrap
from reg2rg.evaluation.phantoms.calibration import probabilities, reliability_plot
from reg2rg.evaluation.phantoms.collapsed import collapse_table
from reg2rg.evaluation.phantoms.collect import collect
from reg2rg.evaluation.phantoms.kinds import REGION_OF
from reg2rg.evaluation.phantoms.measures import Measure, counts, measures, sources_of
from reg2rg.evaluation.phantoms.records import CaseRecord
from reg2rg.evaluation.phantoms.statements import from_text, outcomes
from reg2rg.evaluation.phantoms.tables import calibration_table, label_table, pointing_table, size_table
from reg2rg.evaluation.tables import Cell, Interval, Table, to_markdown


@dataclass(frozen=True)
class Results:
    """What a model answered about phantoms, and every number that follows from it."""

    records: tuple[CaseRecord, ...]

    @cached_property
    def measures(self) -> dict[str, Measure]:
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
        return "head" in sources_of(self.records)

    def tables(self) -> list[Table]:
        """All of them, the headline first."""
        seen = [pointing_table(self.records), calibration_table(self.records)] if self.has_head else []
        return [
            self._headline(),
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
        return reliability_plot(probabilities(self.records))

    def _headline(self) -> Table:
        rows = []
        for name, measure in self.measures.items():
            interval, verdict = self.intervals[name], None
            if measure.goal is not None and interval.value == interval.value:
                verdict = "yes" if measure.reached(interval.value, measure.goal) else "no"
            rows.append((name, interval, measure.units, measure.goal, verdict))
        caption = (
            f"{len(self.records)} held-out phantoms, seeds {self.records[0].name} to {self.records[-1].name}; 95% "
            "intervals from resampling cases. Findings: planted ones of 8 mm and more or of no size, read from the "
            "text by reg2rg.findings.read_findings; every false alarm counts, whatever its size. Side, lobe or level, "
            "and size: of right findings, where there is one and the phantom's own report tells it. Head: what it gives a "
            "probability of at least 0.5. Agreement: of each label in the region it belongs to."
        )
        return Table("headline", "Headline", caption, ("measure", "value", "of", "goal", "reached"), tuple(rows))


def measure(
    model: Path,
    seeds: Iterable[int],
    folder: Path,
    *,
    parallel: bool | None = None,
    processes: int = 2,
    device: str = "cpu",
    show: Callable[[int, int], None] = lambda done, all: None,
) -> Results:
    """Ask the model of a folder about held-out phantoms and measure its answers; arguments as for ``collect``."""
    return Results(
        tuple(collect(model, seeds, folder, parallel=parallel, processes=processes, device=device, show=show))
    )


def side_by_side(results: Mapping[str, Results]) -> list[Table]:
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
