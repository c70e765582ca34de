"""Tables of template collapse: diversity, bias towards normal texts, survival of rare findings."""

from __future__ import annotations

import numpy as np

from reg2rg.evaluation.bootstrap import Statistic, ratio
from reg2rg.evaluation.clinical import by_label, label_sums
from reg2rg.evaluation.clinical_tables import case_labels
from reg2rg.evaluation.collapse import BANDS, diversity, label_bands, worded_normal
from reg2rg.evaluation.frame import Frame
from reg2rg.evaluation.readings import Readings
from reg2rg.evaluation.tables import Cell, Table
from reg2rg.findings import LABELS

_DIVERSITY = {
    "distinct": "distinct texts",
    "most_frequent": "most frequent text",
    "distinct_2": "distinct 2-grams",
    "self_bleu": "self-BLEU",
}


def diversity_table(frame: Frame) -> Table:
    """How different texts are from one another, references beside predictions."""
    rows = []
    for name, chosen in frame.groups.items():
        references = diversity([frame.pairs[index].reference for index in chosen])
        predictions = diversity([frame.pairs[index].prediction for index in chosen])
        cells = [getattr(side, field) for field in _DIVERSITY for side in (references, predictions)]
        rows.append((name, references.texts, *cells))
    columns = [f"{title}, {side}" for title in _DIVERSITY.values() for side in ("references", "predictions")]
    caption = (
        "Distinct texts over texts; share of the text that occurs most often; distinct 2-grams over 2-grams; mean "
        "BLEU-4 of each text against all others of its side. All depend on the number of texts, so that only the two "
        "sides of a row can be compared. A collapsed model has few distinct texts, one that occurs very often, few "
        "distinct 2-grams and a high self-BLEU."
    )
    return Table("diversity", "Collapse: diversity", caption, ("texts", "n", *columns), tuple(rows))


def normal_table(frame: Frame, readings: Readings) -> Table:
    """How often a text is normal, references beside predictions."""
    free = [~labels.any(axis=1) for labels in (readings.reference_labels, readings.prediction_labels)]
    worded = [
        np.array([worded_normal(getattr(pair, side)) for pair in frame.pairs]) for side in ("reference", "prediction")
    ]
    rows = [(name, len(chosen), *_normal_cells(frame, free, worded, chosen)) for name, chosen in frame.groups.items()]
    columns = (
        "texts",
        "n",
        "free of the 18, references",
        "free of the 18, predictions",
        "bias",
        "findings called free",
        "worded normal, references",
        "worded normal, predictions",
        "wording bias",
    )
    caption = (
        "Free of the 18: none of the 18 findings is read in the text. Findings called free: of "
        "the references with a finding, the share whose prediction has none. Worded normal: every sentence says only "
        "that something is normal or absent, which also sees findings beyond the 18. Bias is predictions minus "
        "references: above 0 normal is written too readily."
    )
    return Table("normal", "Collapse: bias towards normal", caption, columns, tuple(rows), readings.reader)


def _normal_cells(
    frame: Frame, free: list[np.ndarray], worded: list[np.ndarray], chosen: np.ndarray
) -> tuple[Cell, ...]:
    def share(values: np.ndarray) -> float:
        return float(values[chosen].mean())

    def bias(sides: list[np.ndarray]) -> Cell:
        return frame.mean(sides[1].astype(float) - sides[0], chosen)

    found = chosen[~free[0][chosen]]
    called = frame.mean(free[1].astype(float), found) if found.size else None
    return share(free[0]), share(free[1]), bias(free), called, share(worded[0]), share(worded[1]), bias(worded)


def survival_table(frame: Frame, readings: Readings) -> Table:
    """Recall of labels by how frequent they are in the references."""
    reference, prediction = case_labels(frame, readings)
    cases = len(frame.cases)
    sums = label_sums(reference, prediction, np.arange(cases), cases)
    recalls = by_label(sums.sum(axis=0))[1]
    rows = []
    for (name, low, high), labels in zip(BANDS, label_bands(reference).values(), strict=True):
        found = reference[:, labels] & prediction[:, labels]
        counts = np.stack([found.sum(axis=1), reference[:, labels].sum(axis=1)], axis=1)
        statistic = Statistic(counts.astype(float), ratio)
        unseen = [LABELS[index] for index in np.flatnonzero(labels) if recalls[index] == 0]
        limits = f"{name}: {_limits(low, high)}"
        row = (
            limits,
            int(labels.sum()),
            int(counts[:, 1].sum()),
            frame.interval(statistic),
            ", ".join(unseen) or "none",
        )
        rows.append(row)
    caption = (
        "Labels by the share of cases whose reference has them; recall over all their findings together. A model that "
        "writes what is frequent loses the rare ones first."
    )
    columns = ("labels", "how many", "findings", "recall", "never found")
    return Table("survival", "Collapse: survival of rare findings", caption, columns, tuple(rows), readings.reader)


def _limits(low: float, high: float) -> str:
    if low == 0:
        return f"under {high:.0%} of cases"
    return f"{low:.0%} of cases and more" if high > 1 else f"{low:.0%} to {high:.0%} of cases"
