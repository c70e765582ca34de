"""Findings: the 18 abnormalities read out of report text, with negation, uncertainty, side, lobe or level, and size.

The words stand in terms.tsv, which says in its head how to add some.
"""

from reg2rg.findings.finding import LABELS, Finding, Status
from reg2rg.findings.labels import LabelReader, RuleReader
from reg2rg.findings.reader import read_findings

__all__ = ["LABELS", "Finding", "LabelReader", "RuleReader", "Status", "read_findings"]
