"""Region recognition recovered from the report printed by the published evaluation.

The texts behind the published numbers were not released. The file region_classification_report.txt lists the precision,
recall and F1 of each region and the cases of its false positives and false negatives. The counts follow from these
lists, and so does nearly all of the confusion matrix.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np

from reg2rg.errors import InputError
from reg2rg.evaluation.inputs.published_format import region_from_name
from reg2rg.evaluation.report_metrics.region_recognition import LOOKALIKES, Recognition
from reg2rg.regions import REGION_NAMES

FILE_SUFFIX = "region_classification_report.txt"
_PRECISION = re.compile(r"^(\w+):\nPrecision: (\S+)$", re.MULTILINE)
_LIST = re.compile(r"^Region: (\w+)\nFalse (positive|negative) accnums: \[(.*)\]$", re.MULTILINE)
_NO_NAME, _UNKNOWN = "none", "unknown"
_MAX_PERMUTED = 8
_INDEX = {name: index for index, name in enumerate(REGION_NAMES)}


@dataclass(frozen=True)
class PublishedRecognition:
    """The content of the published report.

    Attributes:
        recognition: The counts of slots.
        unattributed: Missed slots whose predicted name cannot be determined. The confusion matrix counts them as slots
            without a name.
    """

    recognition: Recognition
    unattributed: int


def read_recognition_report(file: Path) -> PublishedRecognition:
    """Read the report.

    Raises:
        InputError: If the file is not a report of region recognition.
    """
    text = file.read_text(encoding="utf-8", errors="replace")
    precision = {region_from_name(name): float(value) for name, value in _PRECISION.findall(text)}
    if set(precision) != set(REGION_NAMES):
        raise InputError(
            f"{file} is not a valid region recognition report; expected the precision of each of the ten regions."
        )
    errors: dict[str, dict[str, list[str]]] = {"positive": defaultdict(list), "negative": defaultdict(list)}
    for name, kind, cases in _LIST.findall(text):
        for case in re.findall(r"'([^']+)'", cases):
            errors[kind][case].append(region_from_name(name))
    fp, fn = (_count_by_region(errors[kind].values()) for kind in ("positive", "negative"))
    rates = np.array([precision[name] for name in REGION_NAMES])
    tp = np.round(rates * fp / (1 - rates)).astype(int)
    confusion = np.zeros((len(REGION_NAMES), len(REGION_NAMES) + 1), int)
    confusion[np.diag_indices(len(REGION_NAMES))] = tp
    unattributed = sum(
        _add_case(confusion, missed, errors["positive"].get(case, [])) for case, missed in errors["negative"].items()
    )
    return PublishedRecognition(Recognition(tp, fp, fn, confusion), unattributed)


def _count_by_region(regions: Iterable[Sequence[str]]) -> np.ndarray:
    counts = Counter(name for names in regions for name in names)
    return np.array([counts[name] for name in REGION_NAMES])


def _add_case(confusion: np.ndarray, missed: Sequence[str], named: Sequence[str]) -> int:
    """Add the errors of a case to the confusion matrix and return how many missed slots remain unattributed.

    Args:
        confusion: Confusion matrix to add to, (10, 11).
        missed: True regions of the missed slots.
        named: Regions named wrongly.
    """
    predicted = _names_of_missed(missed, named)
    for true, name in zip(missed, predicted, strict=True):
        confusion[_INDEX[true], _INDEX.get(name, -1)] += 1
    return predicted.count(_UNKNOWN)


def _names_of_missed(missed: Sequence[str], named: Sequence[str]) -> list[str]:
    """Determine which wrong name each missed slot was given.

    A name is attributed to a slot if all assignments of names to slots that give no slot its own region agree on it. If
    any of these assignments swap lung and pleura, only those are considered.
    """
    names = [*named, *[_NO_NAME] * (len(missed) - len(named))]
    if len(missed) > _MAX_PERMUTED:
        return [_UNKNOWN] * len(missed)
    possible = {
        assignment
        for assignment in permutations(names)
        if all(true != name for true, name in zip(missed, assignment, strict=True))
    }
    likely = {assignment for assignment in possible if _swaps_lookalikes(missed, assignment)} or possible
    return [names[0] if len(set(names)) == 1 else _UNKNOWN for names in zip(*likely, strict=True)]


def _swaps_lookalikes(missed: Sequence[str], assignment: Sequence[str]) -> bool:
    name_of = dict(zip(missed, assignment, strict=True))
    return [name_of.get(name) for name in LOOKALIKES] == list(reversed(LOOKALIKES))
