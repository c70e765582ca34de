"""Sampling which findings a case has."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.findings.finding_kinds import KINDS, FindingKind
from reg2rg.phantom.findings.planted_finding import PlantedFinding

_HEALTHY_SHARE = 0.27
_MAX_FINDINGS = 8
_ENRICHMENT_POWER = 0.65
"""Exponent applied to the share of each kind in enriched cases: 2% becomes 8%, 20% becomes 35%."""


def sample_findings(rng: np.random.Generator, *, female: bool, enriched: bool = False) -> list[PlantedFinding]:
    """Sample the findings of one case; about three in ten cases have none.

    Args:
        rng: source of the findings.
        female: whether breast masses are possible.
        enriched: whether cases with findings have more of them, especially rare ones.

    Returns:
        The findings in the order of FINDING_LABELS, not planted yet.
    """
    has_findings = rng.random() >= _HEALTHY_SHARE
    sampled = []
    for kind, luck in zip(KINDS, rng.random(len(KINDS)), strict=True):
        possible = female or kind.region != "breast"
        finding = sample_finding(kind, rng)
        share = kind.share**_ENRICHMENT_POWER if enriched else kind.share
        if has_findings and possible and luck < share / (1 - _HEALTHY_SHARE):
            sampled.append(finding)
    kept = sorted(rng.permutation(len(sampled))[:_MAX_FINDINGS])
    return [sampled[index] for index in kept]


def sample_finding(kind: FindingKind, rng: np.random.Generator) -> PlantedFinding:
    """Sample the location, size and severity of a finding of one kind."""
    weights = np.array([weight for weight, _, _ in kind.locations], float)
    _, side, level = kind.locations[rng.choice(len(weights), p=weights / weights.sum())]
    size = severity = None
    if kind.sizes:
        low, high, skew = kind.sizes
        size = float(round(low + (high - low) * rng.beta(1, skew)))
        severity = kind.severity_of(size)
    elif kind.severities:
        severity = kind.severities[rng.integers(len(kind.severities))]
    return PlantedFinding(kind.label, kind.region, side, level, size, severity)
