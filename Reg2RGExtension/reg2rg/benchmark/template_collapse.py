"""Template collapse on phantoms: diversity, bias towards normal, survival of rare findings, of each source of text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain

import numpy as np

from reg2rg.benchmark.finding_groups import REGION_OF
from reg2rg.benchmark.records import CaseRecord, SectionRecord
from reg2rg.benchmark.statements import read_statements
from reg2rg.evaluation.report_metrics.template_collapse import BANDS, diversity, is_normal_by_wording, label_bands
from reg2rg.evaluation.tables import Cell, Table

_TEXTS: Mapping[str, Callable[[SectionRecord], str | None]] = {
    "references": lambda section: section.reference,
    "text": lambda section: section.text,
    "text without cues": lambda section: section.without_cues,
}


def collapse_table(records: Sequence[CaseRecord]) -> Table:
    """One column a side: the phantoms' own sections, the model's with and without cues."""
    sections = [(case, section) for case, record in enumerate(records) for section in record.sections]
    sides = {name: text for name, text in _TEXTS.items() if all(text(section) is not None for _, section in sections)}
    planted = np.zeros((len(records), len(REGION_OF)), bool)
    for case, record in enumerate(records):
        for finding in record.planted:
            planted[case, list(REGION_OF).index(finding.label)] = True
    columns = {name: _column(records, [(c, s, text(s)) for c, s in sections], planted) for name, text in sides.items()}
    rows = [(name, *(column[name] for column in columns.values())) for name in columns["references"]]
    caption = (
        "Sections. Normal: no finding is read in it; worded normal: every sentence says only that something is normal "
        "or absent. Recall is that of all planted findings, whatever their size, by the share of cases that have the "
        "finding: a collapsed model loses the rare ones first, repeats itself and calls normal what is not."
    )
    return Table("collapse", "Template collapse", caption, ("measure", *columns), tuple(rows))


def _column(
    records: Sequence[CaseRecord], texts: Sequence[tuple[int, SectionRecord, str]], planted: np.ndarray
) -> dict[str, Cell]:
    varied = diversity([text for *_, text in texts])
    stated = [set(read_statements(text, section.region)) for _, section, text in texts]
    ill = [bool({f.label for f in records[case].planted if f.region == section.region}) for case, section, _ in texts]
    found = np.zeros_like(planted)
    for (case, _, _), labels in zip(texts, stated, strict=True):
        found[case, [list(REGION_OF).index(label) for label in labels if label in REGION_OF]] = True
    column: dict[str, Cell] = {
        "distinct texts": varied.distinct,
        "most frequent text": varied.most_frequent,
        "distinct 2-grams": varied.distinct_2,
        "self-BLEU": varied.self_bleu,
        "normal": float(np.mean([not labels for labels in stated])),
        "worded normal": float(np.mean([is_normal_by_wording(text) for *_, text in texts])),
        "called normal, where a finding was planted": _mean([not s for s, i in zip(stated, ill, strict=True) if i]),
    }
    for (name, low, high), labels in zip(BANDS, label_bands(planted).values(), strict=True):
        limits = f"{low:.0%} of cases and more" if high > 1 else f"{low:.0%} to {high:.0%} of cases"
        recall = _mean(list(chain.from_iterable(found[:, labels][planted[:, labels]][None])))
        column[f"recall of {name} findings ({limits}; {labels.sum()} kinds)"] = recall
    lost = [label for label, p, f in zip(REGION_OF, planted.T, found.T, strict=True) if p.any() and not (p & f).any()]
    column["never found"] = ", ".join(lost) or "none"
    return column


def _mean(values: Sequence[bool]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
