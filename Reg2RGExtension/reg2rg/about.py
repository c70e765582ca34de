"""Version of the engine, and the label shown on its drafts."""

__version__ = "0.1.0"

DRAFT_LABEL = "AI-generated draft, not reviewed. Not for clinical use."
"""Appears wherever a draft is shown or exported."""
