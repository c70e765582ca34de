"""Region recognition out of the report that the published evaluation prints (region_classification_report.txt).

The texts it was made from were not released with the region files. It prints precision, recall and F1 of each region
and the cases of its false positives and false negatives; the counts follow from these, and nearly all of the swaps.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np

from reg2rg.errors import InputError
from reg2rg.evaluation.inputs.published_format import region_from_name
from reg2rg.evaluation.report_metrics.region_recognition import LOOKALIKES, Recognition
from reg2rg.regions import REGION_NAMES

FILE_ENDING = "region_classification_report.txt"
_PRECISION = re.compile(r"^(\w+):\nPrecision: (\S+)$", re.MULTILINE)
_LIST = re.compile(r"^Region: (\w+)\nFalse (positive|negative) accnums: \[(.*)\]$", re.MULTILINE)
_NO_NAME, _UNTOLD = "none", "untold"
_MOST_TRIED = 8
_INDEX = {name: index for index, name in enumerate(REGION_NAMES)}


@dataclass(frozen=True)
class PublishedRecognition:
    """What the report says.

    Attributes:
        untold: missed slots whose wrong name cannot be told from the lists; in the swaps they have none.
    """

    recognition: Recognition
    unattributed: int


def read_recognition_report(file: Path) -> PublishedRecognition:
    """Read the report; InputError if it is none."""
    text = file.read_text(encoding="utf-8", errors="replace")
    precision = {region_from_name(name): float(value) for name, value in _PRECISION.findall(text)}
    if set(precision) != set(REGION_NAMES):
        raise InputError(f"{file} is no report of region recognition: it lacks the precision of the ten regions.")
    wrong: dict[str, dict[str, list[str]]] = {"positive": defaultdict(list), "negative": defaultdict(list)}
    for name, kind, cases in _LIST.findall(text):
        for case in re.findall(r"'([^']+)'", cases):
            wrong[kind][case].append(region_from_name(name))
    fp, fn = (_totals(wrong[kind].values()) for kind in ("positive", "negative"))
    rates = np.array([precision[name] for name in REGION_NAMES])
    tp = np.round(rates * fp / (1 - rates)).astype(int)
    swaps = np.zeros((len(REGION_NAMES), len(REGION_NAMES) + 1), int)
    swaps[np.diag_indices(len(REGION_NAMES))] = tp
    unattributed = sum(
        _add_swaps(swaps, missed, wrong["positive"].get(case, [])) for case, missed in wrong["negative"].items()
    )
    return PublishedRecognition(Recognition(tp, fp, fn, swaps), unattributed)


def _totals(regions: Sequence[Sequence[str]]) -> np.ndarray:
    counts = Counter(name for names in regions for name in names)
    return np.array([counts[name] for name in REGION_NAMES])


def _add_swaps(swaps: np.ndarray, missed: Sequence[str], named: Sequence[str]) -> int:
    """Add what one case tells; return how many missed slots it leaves open, which count as named by none."""
    told = _names_of_missed(missed, named)
    for true, other in zip(missed, told, strict=True):
        swaps[_INDEX[true], _INDEX.get(other, -1)] += 1
    return told.count(_UNTOLD)


def _names_of_missed(missed: Sequence[str], named: Sequence[str]) -> list[str]:
    """Which wrong name each missed slot got: the one it has in all ways to deal the names out, none to its own region.

    Of the ways, those in which lung and pleura got each other's name are the likely ones, if there are any.
    """
    names = [*named, *[_NO_NAME] * (len(missed) - len(named))]
    if len(missed) > _MOST_TRIED:
        return [_UNTOLD] * len(missed)
    ways = {way for way in permutations(names) if all(a != b for a, b in zip(missed, way, strict=True))}
    likely = {way for way in ways if _swaps_look_alikes(missed, way)} or ways
    return [way[0] if len(set(way)) == 1 else _UNTOLD for way in zip(*likely, strict=True)]


def _swaps_look_alikes(missed: Sequence[str], way: Sequence[str]) -> bool:
    got = dict(zip(missed, way, strict=True))
    return [got.get(name) for name in LOOKALIKES] == list(reversed(LOOKALIKES))
