"""What one case has."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from reg2rg.phantom.body import Build
from reg2rg.phantom.findings.finding import Finding
from reg2rg.phantom.findings.kinds import FINDINGS, KINDS, FindingKind

_HEALTHY_SHARE = 0.27
_MOST = 8
_EVENING = 0.65
"""Power that shares are raised to in enriched cases: two findings in a hundred cases become eight, twenty 35."""
_HEART_SCALES = {"mild": 1.2, "moderate": 1.3, "severe": 1.42}


def draw_findings(rng: np.random.Generator, *, female: bool, enriched: bool = False) -> list[Finding]:
    """The findings of one case, in the order of FINDINGS; none in three of ten cases.

    Args:
        enriched: the others have more of them, above all of the rare ones.
    """
    ill = rng.random() >= _HEALTHY_SHARE
    drawn = []
    for kind, luck in zip(KINDS, rng.random(len(KINDS)), strict=True):
        possible = female or kind.region != "breast"
        finding = _draw(kind, rng)
        share = kind.share**_EVENING if enriched else kind.share
        if ill and possible and luck < share / (1 - _HEALTHY_SHARE):
            drawn.append(finding)
    kept = sorted(rng.permutation(len(drawn))[:_MOST])
    return [drawn[index] for index in kept]


def _draw(kind: FindingKind, rng: np.random.Generator) -> Finding:
    weights = np.array([place[0] for place in kind.places], float)
    _, side, level = kind.places[rng.choice(len(weights), p=weights / weights.sum())]
    size = severity = None
    if kind.sizes:
        low, high, skew = kind.sizes
        size = float(round(low + (high - low) * rng.beta(1, skew)))
        severity = kind.severity_of(size)
    elif kind.severities:
        severity = kind.severities[rng.integers(len(kind.severities))]
    return Finding(kind.label, kind.region, side, level, size, severity)


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Sorted as FINDINGS."""
    return sorted(findings, key=lambda finding: FINDINGS.index(finding.label))


def adapt_build(build: Build, findings: Iterable[Finding]) -> Build:
    """The body that has the findings which change the heart's shape."""
    for finding in findings:
        if finding.label == "Cardiomegaly":
            scale = _HEART_SCALES[finding.severity or "moderate"] * (0.75 + 0.25 * build.heart_scale)
            build = build.with_heart(scale=scale)
        elif finding.label == "Pericardial effusion":
            build = build.with_heart(pericardium=(finding.size_mm or 12.0, 8.0))
    return build
