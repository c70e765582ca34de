"""Findings: the 18 abnormalities read out of report text, with negation, uncertainty, side, lobe or level, and size."""
