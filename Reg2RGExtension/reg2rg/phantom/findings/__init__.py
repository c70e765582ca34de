"""Findings of phantoms: which ones a case has, and how each is painted into the anatomy together with its own mask.

Files, in the order data flows: ``planted_finding`` (one finding of one case), ``finding_kinds`` (all 27 kinds),
``random_findings`` (sampling the findings of a case), ``lung_locations``, ``lesion_painting`` and ``nodule_shapes``
(where a finding can lie and what it looks like). Then one file per group of findings, named after it. ``planting``
paints them all.
"""

from reg2rg.phantom.findings.finding_kinds import FINDING_LABELS, KINDS, FindingKind, sort_findings
from reg2rg.phantom.findings.heart_findings import adapt_physique
from reg2rg.phantom.findings.planted_finding import PlantedFinding
from reg2rg.phantom.findings.planting import plant_findings
from reg2rg.phantom.findings.random_findings import sample_findings

__all__ = [
    "FINDING_LABELS",
    "KINDS",
    "FindingKind",
    "PlantedFinding",
    "adapt_physique",
    "plant_findings",
    "sample_findings",
    "sort_findings",
]
