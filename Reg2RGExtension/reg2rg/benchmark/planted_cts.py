"""Findings planted into CTs of held-out patients: which are found, and what is claimed in the same CTs without them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from reg2rg.benchmark.collect import load_generator
from reg2rg.benchmark.examine import detect_in_case
from reg2rg.benchmark.finding_groups import FOCAL_LABELS, HEADLINE_SIZE_MM, REGION_OF, SIZE_BAND_NAMES, size_band
from reg2rg.benchmark.records import CaseRecord, DetectionRecord, own_detections
from reg2rg.benchmark.statements import STATED_THRESHOLD
from reg2rg.errors import InputError
from reg2rg.evaluation import Cell, Table
from reg2rg.planting import make_planted_case, open_host, read_host_list
from reg2rg.runtime.callbacks import ProgressCallback, ignore_progress

TEST_SEEDS = range(9_000_000, 9_000_120)
"""Seeds reserved for measurement; no training run may use them."""

FALSE_FINDINGS_PER_CT = (0.5, 1.0, 2.0)
"""Rates at which sensitivity is given."""


@dataclass(frozen=True)
class Pair:
    """What the finding head detects in a scan with planted findings, and in its twin without them.

    Attributes:
        planted: the scan with findings.
        twin: the same scan without them.
        unknown: labels that the patient may have.
    """

    planted: CaseRecord
    twin: CaseRecord
    unknown: frozenset[str]


def examine_planted_cts(
    model: Path,
    folder: Path,
    hosts: Path,
    seeds: Iterable[int] = TEST_SEEDS,
    progress: ProgressCallback = ignore_progress,
) -> list[Pair]:
    """Query a model about held-out patients' CTs with and without planted findings.

    Args:
        model: Model folder.
        folder: Folder of the real CTs.
        hosts: YAML file that lists them.
        seeds: Seeds of the cases.
        progress: Called after each case.

    Raises:
        InputError: No listed CT is held out, or one cannot be read.
    """
    entries = [entry for entry in read_host_list(hosts) if entry.held_out]
    if not entries:
        raise InputError(f"{hosts} holds out no CT; expected at least one with held_out: true.")
    opened = [open_host(entry, folder) for entry in entries]
    generator, settings = load_generator(model)
    pairs, seeds = [], list(seeds)
    for number, seed in enumerate(seeds, start=1):
        host = opened[seed % len(opened)]
        planted, twin = (
            detect_in_case(generator, settings, make_planted_case(seed, host, twin=is_twin))
            for is_twin in (False, True)
        )
        pairs.append(Pair(planted, twin, frozenset(host.entry.unknown)))
        progress(number / len(seeds), f"{number} of {len(seeds)} planted CTs")
    return pairs


@dataclass(frozen=True)
class PlantedResults:
    """Sensitivity for planted findings, and false findings in the twins.

    A finding of the head is false in a twin if the patient does not have it for certain.

    Attributes:
        pairs: What the head detects.
    """

    pairs: Sequence[Pair]

    @cached_property
    def false_probabilities(self) -> dict[str, np.ndarray]:
        """Label -> probabilities in the twins whose patients do not have it."""
        found: dict[str, list[float]] = {label: [] for label in REGION_OF}
        for pair in self.pairs:
            for detection in own_detections(pair.twin):
                if detection.label not in pair.unknown:
                    found[detection.label].append(detection.probability)
        return {label: np.array(values) for label, values in found.items()}

    def threshold(self, rate: float) -> float:
        """Return the probability above which there are at most ``rate`` false findings per twin."""
        values = np.sort(np.concatenate(list(self.false_probabilities.values())))[::-1]
        allowed = int(rate * len(self.pairs))
        return float(values[allowed]) if allowed < len(values) else 0.0

    def sensitivity(self, threshold: float) -> float:
        """Return the share of all planted findings of 8 mm or more, or without a size, above a probability."""
        hits = self._found(lambda name, size: _counts(size))
        return float(np.mean([hit.probability > threshold for hit in hits])) if hits else float("nan")

    def auc(self, label: str) -> float | None:
        """Return the area under the ROC curve, planted against unplanted; None without examples of both."""
        planted = np.array([hit.probability for hit in self._of_label(label)])
        false = self.false_probabilities[label]
        if not planted.size or not false.size:
            return None
        return float((planted[:, None] > false).mean() + 0.5 * (planted[:, None] == false).mean())

    def table(self) -> Table:
        """Return one row per label and, for focal findings, one per size."""
        thresholds = [self.threshold(rate) for rate in FALSE_FINDINGS_PER_CT]
        rows: list[tuple[Cell, ...]] = []
        for label in REGION_OF:
            hits = self._of_label(label)
            if hits:
                false = self.false_probabilities[label]
                rate = float((false >= STATED_THRESHOLD).sum() / len(self.pairs)) if false.size else None
                rows.append((label, *_sensitivities(hits, thresholds), rate, self.auc(label)))
        for band in SIZE_BAND_NAMES:
            hits = self._found(lambda name, size, band=band: name in FOCAL_LABELS and size_band(size) == band)
            if hits:
                rows.append((f"focal, {band}", *_sensitivities(hits, thresholds), None, None))
        total = sum(int((values >= STATED_THRESHOLD).sum()) for values in self.false_probabilities.values())
        rows.append(("all", *[None] * (3 + len(thresholds)), total / max(1, len(self.pairs)), None))
        description = (
            f"{len(self.pairs)} variations of the CTs of held-out patients, each with and without planted findings. "
            "Found: share of the planted findings of 8 mm or more, or without a size, whose probability reaches the "
            "threshold at which all findings together are false 0.5, 1 or 2 times per CT without them, or 0.5. Hit: "
            "the maximum of the finding's map lies in it. False: findings with a probability of at least 0.5 per CT "
            "without planted findings. AUC: planted against unplanted. Findings that a patient may have do not "
            "count as false."
        )
        found = tuple(f"found at {rate:g} false" for rate in FALSE_FINDINGS_PER_CT)
        columns = ("finding", "planted", *found, "found at 0.5", "hit", "false per CT", "AUC")
        return Table("planted_cts", "Findings planted into real CTs", description, columns, tuple(rows))

    def _of_label(self, label: str) -> list[DetectionRecord]:
        return self._found(lambda name, size: name == label and _counts(size))

    def _found(self, wanted) -> list[DetectionRecord]:
        """Return the detections of the planted findings of a label and a size."""
        hits = []
        for pair in self.pairs:
            detections = {detection.label: detection for detection in own_detections(pair.planted)}
            for finding in pair.planted.planted:
                if finding.label in detections and wanted(finding.label, finding.size_mm):
                    hits.append(detections[finding.label])
        return hits


def _counts(size_mm: float | None) -> bool:
    return size_mm is None or size_mm >= HEADLINE_SIZE_MM


def _sensitivities(hits: Sequence[DetectionRecord], thresholds: Sequence[float]) -> tuple[Cell, ...]:
    """Return the number of findings, the share found at each threshold and at 0.5, and the share of hits."""
    probabilities = np.array([hit.probability for hit in hits])
    shares = [float((probabilities > threshold).mean()) for threshold in thresholds]
    pointed = [hit.distance_mm == 0 for hit in hits]
    return len(hits), *shares, float((probabilities >= STATED_THRESHOLD).mean()), float(np.mean(pointed))
