"""The main numbers of several models on the same data, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reg2rg.benchmark.finding_groups import REGION_OF
from reg2rg.benchmark.planted_cts import PlantedResults
from reg2rg.benchmark.real_cts import RealCT, mean
from reg2rg.evaluation import Cell, Table
from reg2rg.evaluation.report_metrics import precision_recall_f1

_PHANTOM_METRICS = (
    "text: micro F1",
    "text: macro F1",
    "text: side correct",
    "text: lobe or level correct",
    "regions recognized",
    "pointing accuracy, focal findings",
    "calibration error",
    "flagged as out of distribution",
)
_HARD_LABELS = ("Lung nodule", "Pulmonary fibrotic sequela", "Lytic bone lesion")
"""Findings of phantoms that models found hard."""


def headline_table(models: Mapping[str, Mapping[str, Cell]], cases: int) -> Table:
    """Return one row per number and one column per model.

    Args:
        models: Name of the model -> its numbers, from ``headline``. The last one is the model of the card.
        cases: Number of phantoms.
    """
    description = (
        f"All models on the same {cases} phantoms and the same CTs. Claims: findings with a probability of at least "
        "0.5. False: claims of findings that the patient does not have for certain. Planted: findings planted into CTs "
        "of held-out patients."
    )
    *_, last = models.values()
    rows = tuple((name, *(numbers.get(name) for numbers in models.values())) for name in last)
    return Table("before_after", "Before and after", description, ("number", *models), rows)


def headline(phantoms: Mapping[str, Any], real: Sequence[RealCT], planted: PlantedResults) -> dict[str, Cell]:
    """Return the numbers of a model that are compared.

    Args:
        phantoms: Results on phantoms, in the form of ``BenchmarkResults.to_json_dict``.
        real: What the model answered about real CTs.
        planted: What it found in CTs with planted findings.
    """
    numbers: dict[str, Cell] = {
        f"phantoms, {name}": phantoms["metrics"][name]["value"]
        for name in _PHANTOM_METRICS
        if name in phantoms["metrics"]
    }
    numbers |= {f"phantoms, text: F1 of {label.lower()}": _f1(phantoms["counts"][label]) for label in _HARD_LABELS}
    for name, group in (("real CTs", real), ("held-out real CTs", [each for each in real if each.entry.held_out])):
        numbers[f"{name}, number"] = len(group)
        numbers[f"{name}, claims per CT"] = mean([len(each.claims) for each in group])
        numbers[f"{name}, false claims per CT"] = mean([len(each.false_claims) for each in group])
        numbers[f"{name}, false findings in the draft per CT"] = mean([len(each.false_statements) for each in group])
        numbers[f"{name}, regions recognized"] = mean(
            [section.recognized == section.region for each in group for section in each.record.sections]
        )
        numbers[f"{name}, flagged"] = mean([bool(each.record.flagged) for each in group])
    numbers["real CTs with a claimed pneumothorax"] = sum(
        "Pneumothorax" in {claim.label for claim in each.claims} for each in real
    )
    aucs = [auc for auc in map(planted.auc, REGION_OF) if auc is not None]
    numbers["planted, mean AUC"] = mean(aucs)
    numbers["planted, found at 1 false finding per CT"] = planted.sensitivity(planted.threshold(1.0))
    return numbers


def _f1(counts: Mapping[str, int]) -> float:
    names = ("true_positives", "false_positives", "false_negatives")
    return float(precision_recall_f1(*(np.array(counts[name]) for name in names))[2])
