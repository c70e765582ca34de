"""The phantoms' reports: sentences of our own for findings, for their absence and for healthy regions."""

from reg2rg.phantom.report.wordings import write_section

__all__ = ["write_section"]
