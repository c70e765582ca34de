"""`reg2rg evaluate`: from what was asked for to a folder of results."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from reg2rg.errors import InputError, Reg2RGError

_PACKAGES = {"nltk": "nltk", "rouge_score": "rouge-score", "sacrebleu": "sacrebleu", "jinja2": "jinja2"}
_PACKAGES["matplotlib"] = "matplotlib"


def run(
    predictions: Sequence[Path],
    output: Path,
    *,
    references: Path | None,
    level: str | None,
    reader: str,
    other: Path | None,
    seed: int,
    show,
) -> Path:
    """Evaluate and write the files; see ``evaluate.evaluate``.

    Args:
        level: "report", "region" or None.
        reader: "rules" or the folder of a RadBERT classifier.

    Returns the HTML page.
    """
