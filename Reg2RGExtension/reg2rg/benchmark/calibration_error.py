"""Calibration of the finding head: expected calibration error and reliability plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from reg2rg.benchmark.finding_groups import REGION_OF
from reg2rg.benchmark.records import CaseRecord
from reg2rg.evaluation import Statistic

BINS = 15


@dataclass(frozen=True)
class LabelProbability:
    """The probability of a label in the region it belongs to, and whether it was planted there.

    Attributes:
        case: Index of the case.
        value: Probability from the finding head.
        planted: Whether the finding was planted.
    """

    case: int
    value: float
    planted: bool


@dataclass(frozen=True)
class ReliabilityBin:
    """The probabilities in one range.

    Attributes:
        low: Lower bound (inclusive).
        high: Upper bound (exclusive, except for 1).
        count: Number of probabilities in the range.
        mean_probability: Their mean; NaN if there are none.
        planted_share: Share of them that were planted; NaN if there are none.
    """

    low: float
    high: float
    count: int
    mean_probability: float
    planted_share: float


def label_probabilities(records: Sequence[CaseRecord]) -> list[LabelProbability]:
    """Return the probability of every label in the region it belongs to."""
    found = []
    for case, record in enumerate(records):
        planted = {(finding.region, finding.label) for finding in record.planted}
        found += [
            LabelProbability(case, detection.probability, (section.region, detection.label) in planted)
            for section in record.sections
            for detection in section.detections
            if REGION_OF.get(detection.label) == section.region
        ]
    return found


def calibration_error(values: Sequence[LabelProbability], cases: int) -> Statistic:
    """Return the expected calibration error as a statistic of the cases.

    Over bins of equal width, it is the mean distance between the mean probability and the share of planted findings,
    weighted by the number of probabilities in the bin.

    Args:
        values: Probabilities to assess.
        cases: Number of cases.
    """
    sums = np.zeros((cases, BINS, 3))
    for item in values:
        sums[item.case, _bin(item.value)] += (1, item.value, item.planted)
    return Statistic(sums.reshape(cases, -1), _expected_error)


def _bin(value: float) -> int:
    return min(int(value * BINS), BINS - 1)


def _expected_error(sums: np.ndarray) -> np.ndarray:
    count, confidence, planted = np.moveaxis(sums.reshape(*sums.shape[:-1], BINS, 3), -1, 0)
    with np.errstate(invalid="ignore"):
        return np.abs(confidence - planted).sum(axis=-1) / count.sum(axis=-1)


def reliability_bins(values: Sequence[LabelProbability]) -> list[ReliabilityBin]:
    """Sort probabilities into bins of equal width."""
    bins = []
    for index in range(BINS):
        inside = [item for item in values if _bin(item.value) == index]
        mean = float(np.mean([item.value for item in inside])) if inside else float("nan")
        share = float(np.mean([item.planted for item in inside])) if inside else float("nan")
        bins.append(ReliabilityBin(index / BINS, (index + 1) / BINS, len(inside), mean, share))
    return bins


def reliability_plot(bins: Sequence[ReliabilityBin]) -> bytes:
    """Plot the share of planted findings against the predicted probability, and the number of predictions.

    Returns:
        Content of a PNG file.
    """
    filled = [item for item in bins if item.count]
    figure = Figure(figsize=(4.6, 5.2), dpi=150, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    above.plot([0, 1], [0, 1], color="#8a8f98", lw=1, ls="--", label="perfect calibration")
    shares = np.array([item.planted_share for item in filled])
    spread = 1.96 * np.sqrt(shares * (1 - shares) / np.array([item.count for item in filled]))
    bars = [np.minimum(spread, shares), np.minimum(spread, 1 - shares)]
    means = [item.mean_probability for item in filled]
    above.errorbar(means, shares, bars, fmt="o-", color="#2f6db5", ms=4, lw=1, label="finding head")
    above.set(ylabel="share of planted findings", ylim=(-0.02, 1.02))
    above.legend(frameon=False, loc="upper left")
    starts, counts = [item.low for item in bins], [item.count for item in bins]
    below.bar(starts, counts, 1 / BINS, align="edge", color="#2f6db5", ec="white")
    below.set(xlabel="predicted probability", ylabel="count", yscale="log", xlim=(0, 1))
    below.set_ylim(bottom=0.7)
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9)
    FigureCanvasAgg(figure)
    content = BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()
