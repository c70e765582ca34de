"""What readers find in the texts: labels by the chosen reader, places by rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from reg2rg.evaluation.inputs.predictions import TextPair
from reg2rg.labeler import LABELS, Labeler, Mention, RuleLabeler, extract_mentions


@dataclass(frozen=True)
class PairLabels:
    """What was read in pairs, in their order.

    Attributes:
        reader, place_reader: names of what made the labels and of what read the findings with their places.
        reference_labels, prediction_labels: (pairs, 18) bool in the order of LABELS.
        reference_findings, prediction_findings: of LABELS, read by the rules, whichever reader made the labels.
    """

    reader: str
    place_reader: str
    reference_labels: np.ndarray
    prediction_labels: np.ndarray
    reference_mentions: tuple[tuple[Mention, ...], ...]
    prediction_mentions: tuple[tuple[Mention, ...], ...]


def label_pairs(
    pairs: Sequence[TextPair], reader: Labeler, show: Callable[[float], None] = lambda fraction: None
) -> PairLabels:
    """Read references and predictions; texts that occur again are read once. ``show`` is told the fraction done."""
    labels = np.zeros((2, len(pairs), len(LABELS)), bool)
    findings: list[dict[int, tuple[Mention, ...]]] = [{}, {}]
    regions = list(dict.fromkeys(pair.region for pair in pairs))
    for number, region in enumerate(regions):
        chosen = [index for index, pair in enumerate(pairs) if pair.region == region]
        for side, name in enumerate(("reference", "prediction")):
            texts = [getattr(pairs[index], name) for index in chosen]
            labels[side, chosen] = _once(texts, partial(reader.label, region=region))
            findings[side].update(
                zip(chosen, (_published(extract_mentions(text, region)) for text in texts), strict=True)
            )
            show((number + (side + 1) / 2) / len(regions))
    ordered = [tuple(found[index] for index in range(len(pairs))) for found in findings]
    return PairLabels(reader.name, RuleLabeler().name, labels[0], labels[1], ordered[0], ordered[1])


def _published(findings: Sequence[Mention]) -> tuple[Mention, ...]:
    return tuple(finding for finding in findings if finding.label in LABELS)


def _once(texts: Sequence[str], read: Callable[[Sequence[str]], np.ndarray]) -> np.ndarray:
    distinct = list(dict.fromkeys(texts))
    place = {text: row for row, text in enumerate(distinct)}
    return read(distinct)[[place[text] for text in texts]]


def labels_by_case(labels: np.ndarray, owners: np.ndarray, cases: int) -> np.ndarray:
    """(cases, labels): whether any text of the case has the label; ``owners`` is the case of each text."""
    merged = np.zeros((cases, labels.shape[1]), bool)
    np.logical_or.at(merged, owners, labels)
    return merged


def mentions_by_case(
    findings: Sequence[tuple[Mention, ...]], owners: np.ndarray, cases: int
) -> list[tuple[Mention, ...]]:
    """Findings of all texts of each case."""
    merged: list[tuple[Mention, ...]] = [()] * cases
    for owner, found in zip(owners, findings, strict=True):
        merged[owner] += found
    return merged
