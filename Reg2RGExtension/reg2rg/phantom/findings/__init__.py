"""Findings: which a case has, and how each is planted in the anatomy, with its own mask."""

from reg2rg.phantom.findings.draw import adapt_build, draw_findings, in_order
from reg2rg.phantom.findings.finding import Finding
from reg2rg.phantom.findings.kinds import FINDINGS, KINDS, FindingKind, kind_of
from reg2rg.phantom.findings.plant import plant_findings

__all__ = [
    "FINDINGS",
    "KINDS",
    "Finding",
    "FindingKind",
    "adapt_build",
    "draw_findings",
    "in_order",
    "kind_of",
    "plant_findings",
]
