"""Tables of the findings by size and label, of pointing, calibration and template collapse."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from reg2rg.benchmark.calibration_error import label_probabilities, reliability_bins
from reg2rg.benchmark.finding_groups import (
    FOCAL_LABELS,
    HEADLINE_SIZE_MM,
    REGION_OF,
    SIZE_BAND_NAMES,
    size_band,
)
from reg2rg.benchmark.metrics import SOURCES, available_sources, count_outcomes, pointing_distances
from reg2rg.benchmark.records import CaseRecord, PlantedRecord, SectionRecord
from reg2rg.benchmark.statements import Outcome, extract_statements, match_statements
from reg2rg.evaluation import Cell, Table
from reg2rg.evaluation.report_metrics import (
    FREQUENCY_BANDS,
    diversity,
    frequency_range,
    is_normal_by_wording,
    labels_by_frequency,
    precision_recall_f1,
)

_NAN = float("nan")


def size_table(records: Sequence[CaseRecord]) -> Table:
    """Return recall and false alarms of each source by size band."""
    columns = ["size", "planted"]
    cells: dict[str, list[Cell]] = {}
    for source in available_sources(records):
        columns += [f"recall, {source}", f"false alarms, {source}"]
        outcomes = match_statements(records, SOURCES[source])
        for name in SIZE_BAND_NAMES:
            planted = [o for o in outcomes if o.planted and size_band(o.planted.size_mm) == name]
            false_alarms = sum(
                o.planted is None and o.stated is not None and size_band(o.stated.size_mm) == name for o in outcomes
            )
            row = cells.setdefault(name, [name, len(planted)])
            row += [sum(o.correct for o in planted) / len(planted) if planted else _NAN, false_alarms]
    description = (
        "Planted findings by size: longest diameter, or thickness of effusions and pleural thickening. Some kinds of "
        "findings have no size. False alarms are grouped by their stated size."
    )
    return Table("sizes", "Findings by size", description, tuple(columns), tuple(map(tuple, cells.values())))


def label_table(records: Sequence[CaseRecord]) -> Table:
    """Return precision, recall and F1 of each label, for text and head."""
    sources = [name for name in available_sources(records) if name != "text without cues"]
    outcomes = {name: match_statements(records, SOURCES[name]) for name in sources}
    columns = ["finding", "planted", *(f"{rate}, {name}" for name in sources for rate in ("precision", "recall", "F1"))]
    rows = [(label, *_label_cells(outcomes, len(records), label)) for label in REGION_OF]
    description = (
        f"Planted findings of {HEADLINE_SIZE_MM:g} mm or more or without a size; smaller ones count neither as found "
        "nor as missed. False alarms count whatever their stated size."
    )
    return Table("labels", "Findings by label", description, tuple(columns), tuple(rows))


def _label_cells(outcomes: Mapping[str, Sequence[Outcome]], cases: int, label: str) -> list[Cell]:
    cells: list[Cell] = []
    for of_source in outcomes.values():
        tp, fp, fn = count_outcomes([o for o in of_source if o.label == label and o.in_headline], cases).sum(axis=0)
        if not cells:
            cells.append(int(tp + fn))
        rates = precision_recall_f1(*(np.array(count) for count in (tp, fp, fn)))
        cells += [float(rate) for rate in rates] if tp + fp + fn else [_NAN] * 3
    return cells


def pointing_table(records: Sequence[CaseRecord]) -> Table:
    """Return how often the maximum of a finding map lies in the planted finding, by size band."""
    pointed = [pair for record in records for pair in pointing_distances(record)]
    rows = []
    for kind, focal in (("focal", True), ("diffuse", False)):
        own = [(finding, distance) for finding, distance in pointed if (finding.label in FOCAL_LABELS) == focal]
        groups = [(f"{kind}, {name}", [p for p in own if size_band(p[0].size_mm) == name]) for name in SIZE_BAND_NAMES]
        groups.append((f"{kind}, all", own))
        rows += [(name, *_pointing_cells(group)) for name, group in groups if group]
    description = (
        "All planted findings, detected or not. Hit: the maximum of the finding's map on the volume grid is a voxel of "
        "the planted finding. Chance: hit rate of a random voxel of the region. Findings with a probability under 5% "
        f"have no map and count as missed. Focal findings: {', '.join(sorted(FOCAL_LABELS))}."
    )
    columns = ("findings", "planted", "hit", "within 5 mm", "hit, given a map", "chance")
    return Table("pointing", "Pointing", description, columns, tuple(rows))


def _pointing_cells(group: Sequence[tuple[PlantedRecord, float | None]]) -> tuple[Cell, ...]:
    distances = [distance for _, distance in group if distance is not None]
    hits = sum(distance == 0 for distance in distances)
    near = sum(distance <= 5 for distance in distances)
    chance = float(np.mean([finding.chance_hit_rate for finding, _ in group]))
    hits_given_map = hits / len(distances) if distances else _NAN
    return len(group), hits / len(group), near / len(group), hits_given_map, chance


def calibration_table(records: Sequence[CaseRecord]) -> Table:
    """Return the share of planted findings by predicted probability."""
    rows = [
        (f"{item.low:.2f} to {item.high:.2f}", item.count, item.mean_probability, item.planted_share)
        for item in reliability_bins(label_probabilities(records))
    ]
    description = "Probability of every label in the region it belongs to. Plotted in reliability.png."
    columns = ("probability", "count", "mean probability", "share planted")
    return Table("calibration", "Calibration of the finding head", description, columns, tuple(rows))


_TEXTS: Mapping[str, Callable[[SectionRecord], str | None]] = {
    "references": lambda section: section.reference,
    "text": lambda section: section.text,
    "text without cues": lambda section: section.text_without_cues,
}


def collapse_table(records: Sequence[CaseRecord]) -> Table:
    """Return the signs of template collapse in the phantoms' own sections and in the generated ones."""
    labels = list(REGION_OF)
    planted = np.zeros((len(records), len(labels)), bool)
    for case, record in enumerate(records):
        for finding in record.planted:
            planted[case, labels.index(finding.label)] = True
    sections = [section for record in records for section in record.sections]
    columns = {}
    for name, text_of in _TEXTS.items():
        texts = [text for section in sections if (text := text_of(section)) is not None]
        if len(texts) == len(sections):
            columns[name] = _collapse_column(records, texts, planted)
    rows = [(name, *(column[name] for column in columns.values())) for name in columns["references"]]
    description = (
        "Sections of all regions. Normal by labels: no finding is extracted from the text. Normal by wording: every "
        "sentence only states that something is normal or absent. Abnormal called normal: among sections with a "
        "planted finding, the share whose text has none. Recall covers all planted findings of any size, grouped by "
        "the share of cases that have them. A collapsed model repeats itself, calls abnormal sections normal and "
        "loses rare findings first."
    )
    return Table("collapse", "Template collapse", description, ("metric", *columns), tuple(rows))


def _collapse_column(records: Sequence[CaseRecord], texts: Sequence[str], planted: np.ndarray) -> dict[str, Cell]:
    """Compute one column of the table.

    Args:
        records: Records of all cases.
        texts: Text of each section, in the order of the records.
        planted: Whether each label was planted in each case, (cases, labels) bool.
    """
    sections = [(case, record, section) for case, record in enumerate(records) for section in record.sections]
    labels = list(REGION_OF)
    found = np.zeros_like(planted)
    normal, abnormal_called_normal = [], []
    for (case, record, section), text in zip(sections, texts, strict=True):
        stated = extract_statements(text, section.region)
        normal.append(not stated)
        if any(finding.region == section.region for finding in record.planted):
            abnormal_called_normal.append(not stated)
        found[case, [labels.index(label) for label in stated if label in REGION_OF]] = True
    varied = diversity(texts)
    column: dict[str, Cell] = {
        "distinct texts": varied.distinct,
        "most frequent text": varied.most_frequent,
        "distinct 2-grams": varied.distinct_2,
        "self-BLEU": varied.self_bleu,
        "normal by labels": float(np.mean(normal)),
        "normal by wording": float(np.mean([is_normal_by_wording(text) for text in texts])),
        "abnormal called normal": _mean(abnormal_called_normal),
    }
    for (name, low, high), chosen in zip(FREQUENCY_BANDS, labels_by_frequency(planted).values(), strict=True):
        row = f"recall of {name} findings ({frequency_range(low, high)}; labels: {chosen.sum()})"
        column[row] = _mean(found[:, chosen][planted[:, chosen]].tolist())
    never_found = planted.any(axis=0) & ~(planted & found).any(axis=0)
    column["never found"] = ", ".join(np.array(labels)[never_found]) or "none"
    return column


def _mean(values: Sequence[bool]) -> float:
    return float(np.mean(values)) if values else _NAN
