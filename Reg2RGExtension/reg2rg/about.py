"""Version of the engine, and the labels shown on its reports."""

__version__ = "0.1.0"

DRAFT_LABEL = "AI-generated draft, not reviewed. Not for clinical use."
"""Appears wherever a draft is shown or exported."""

REVIEWED_LABEL = "AI-generated draft, reviewed but not signed. Not for clinical use."
"""Replaces the draft label once every section has been reviewed, until the report is signed."""

SIGNED_LABEL = "Drafted by AI, reviewed and signed by a person. Research software, not for clinical use."
"""Appears in every signed report."""
