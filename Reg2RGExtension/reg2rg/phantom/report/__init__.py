"""The text of a phantom's report: sentences for findings, for their absence and for healthy regions.

``wordings`` writes a section from the sentences in ``wordings.tsv``.
"""

from reg2rg.phantom.report.wordings import write_section

__all__ = ["write_section"]
