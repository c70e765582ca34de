"""``reg2rg evaluate``: from what was asked for to a folder of results."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reg2rg.errors import InputError, Reg2RGError

if TYPE_CHECKING:
    from reg2rg.labeler import Labeler

_MODULES = ("nltk", "rouge_score", "sacrebleu", "matplotlib", "jinja2")
RULES = "rules"


def run(
    predictions: Sequence[Path],
    output: Path,
    *,
    references: Path | None = None,
    level: str | None = None,
    reader: str = RULES,
    other: Path | None = None,
    seed: int = 0,
    show: Callable[[float, str], None] = lambda fraction, message: None,
) -> Path:
    """Score predictions and write the results into ``output``; returns the page. See ``evaluate.evaluate``.

    Args:
        level: "report", "region", or None for what fits the files.
        reader: "rules", or the folder of a RadBERT classifier.
        show: told the fraction done and what is being done.
    """
    missing = [name for name in _MODULES if importlib.util.find_spec(name) is None]
    if missing:
        raise Reg2RGError(f"Evaluation needs more packages ({', '.join(missing)}): pip install 'reg2rg[evaluate]'.")
    from reg2rg.evaluation.evaluate import evaluate
    from reg2rg.evaluation.inputs.predictions import Level
    from reg2rg.evaluation.output.result_files import PAGE_FILE, write_evaluation

    if level not in (None, *(known.value for known in Level)):
        raise InputError(f"The level is {level!r}; expected report or region.")
    if output.exists() and not output.is_dir():
        raise InputError(f"{output} is a file; name a folder to write into.")
    evaluation = evaluate(
        predictions,
        references=references,
        level=Level(level) if level else None,
        reader=_reader(reader),
        other=other,
        seed=seed,
        show=show,
    )
    show(0.96, "Writing")
    write_evaluation(evaluation, output)
    show(1.0, "Done")
    return output / PAGE_FILE


def _reader(name: str) -> Labeler:
    from reg2rg.labeler import RuleLabeler

    if name == RULES:
        return RuleLabeler()
    folder = Path(name)
    if not folder.is_dir():
        raise InputError(f"There is no reader {name!r}; expected {RULES} or a folder with a RadBERT classifier.")
    from reg2rg.labeler.radbert import RadBertLabeler

    return RadBertLabeler(folder)
