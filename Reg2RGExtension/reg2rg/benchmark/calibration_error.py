"""How far the finding head's probabilities can be believed: expected calibration error and the reliability plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from reg2rg.benchmark.finding_groups import REGION_OF
from reg2rg.benchmark.records import CaseRecord
from reg2rg.evaluation.bootstrap import Statistic

BINS = 15


@dataclass(frozen=True)
class LabelProbability:
    """What the head says of a label that belongs to a section's region, and whether it was planted there."""

    case: int
    value: float
    planted: bool


def label_probabilities(records: Sequence[CaseRecord]) -> list[LabelProbability]:
    """Of every label in the region it belongs to."""
    found = []
    for case, record in enumerate(records):
        planted = {(finding.region, finding.label) for finding in record.planted}
        found += [
            LabelProbability(case, finding.probability, (section.region, finding.label) in planted)
            for section in record.sections
            for finding in section.seen
            if REGION_OF.get(finding.label) == section.region
        ]
    return found


def calibration_error(values: Sequence[LabelProbability], cases: int) -> Statistic:
    """Expected calibration error over bins of equal width: mean distance of a bin's mean probability and its share of
    planted findings, weighted by how many fall into it.
    """
    sums = np.zeros((cases, BINS, 3))
    for item in values:
        sums[item.case, _bin(item.value)] += (1, item.value, item.planted)
    return Statistic(sums.reshape(cases, -1), _error)


def _bin(value: float) -> int:
    return min(int(value * BINS), BINS - 1)


def _error(sums: np.ndarray) -> np.ndarray:
    count, confidence, planted = np.moveaxis(sums.reshape(*sums.shape[:-1], BINS, 3), -1, 0)
    with np.errstate(invalid="ignore"):
        return np.abs(confidence - planted).sum(axis=-1) / count.sum(axis=-1)


def reliability_bins(values: Sequence[LabelProbability]) -> list[tuple[float, float, int, float, float]]:
    """Of each bin: from, below, how many fall into it, their mean probability, share of them that was planted."""
    rows = []
    for index in range(BINS):
        inside = [item for item in values if _bin(item.value) == index]
        mean = float(np.mean([item.value for item in inside])) if inside else float("nan")
        share = float(np.mean([item.planted for item in inside])) if inside else float("nan")
        rows.append((index / BINS, (index + 1) / BINS, len(inside), mean, share))
    return rows


def reliability_plot(values: Sequence[LabelProbability]) -> bytes:
    """A PNG: share of planted findings over the probability given, and how often each probability is given."""
    rows = reliability_bins(values)
    filled = [row for row in rows if row[2]]
    figure = Figure(figsize=(4.6, 5.2), dpi=150, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    above.plot([0, 1], [0, 1], color="#8a8f98", lw=1, ls="--", label="as said")
    shares = np.array([row[4] for row in filled])
    spread = 1.96 * np.sqrt(shares * (1 - shares) / np.array([row[2] for row in filled]))
    bars = [np.minimum(spread, shares), np.minimum(spread, 1 - shares)]
    above.errorbar([row[3] for row in filled], shares, bars, fmt="o-", color="#2f6db5", ms=4, lw=1, label="the head")
    above.set(ylabel="share that was planted", ylim=(-0.02, 1.02))
    above.legend(frameon=False, loc="upper left")
    below.bar([row[0] for row in rows], [row[2] for row in rows], 1 / BINS, align="edge", color="#2f6db5", ec="white")
    below.set(xlabel="probability given", ylabel="how often", yscale="log", xlim=(0, 1))
    below.set_ylim(bottom=0.7)
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9)
    FigureCanvasAgg(figure)
    content = BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()
