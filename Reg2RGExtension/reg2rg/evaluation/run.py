"""The entry point behind ``reg2rg evaluate``: from command-line options to a folder of results."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reg2rg.errors import InputError, Reg2RGError
from reg2rg.runtime.callbacks import ProgressCallback, ignore_progress

if TYPE_CHECKING:
    from reg2rg.labeler import Labeler

RULES = "rules"
_REQUIRED_PACKAGES = ("nltk", "rouge_score", "sacrebleu", "matplotlib", "jinja2")


def run(
    predictions: Sequence[Path],
    output: Path,
    *,
    references: Path | None = None,
    level: str | None = None,
    labeler: str = RULES,
    compare_with: Path | None = None,
    seed: int = 0,
    progress: ProgressCallback = ignore_progress,
) -> Path:
    """Score predictions and write the results into a folder.

    Args:
        predictions: Prediction files or folders (see ``prediction_files.read_predictions``).
        output: Folder to write into; created if it does not exist.
        references: Reference file that replaces the references in the predictions.
        level: "report" or "region"; the natural level of the files if None.
        labeler: "rules", or the folder of a RadBERT classifier.
        compare_with: Predictions of a second system for the same references.
        seed: Random seed of the bootstrap.
        progress: Called with the fraction done and the current step.

    Returns:
        Path of the HTML page.

    Raises:
        Reg2RGError: If a required package is missing.
        InputError: If an option is invalid, a file cannot be read or there is nothing to score.
    """
    missing = [name for name in _REQUIRED_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise Reg2RGError(
            f"Evaluation requires missing packages ({', '.join(missing)}). "
            "Install them with: pip install 'reg2rg[evaluate]'"
        )
    from reg2rg.evaluation.evaluate import evaluate
    from reg2rg.evaluation.inputs.predictions import Level
    from reg2rg.evaluation.output.result_files import PAGE_FILE, write_evaluation

    levels = [known.value for known in Level]
    if level is not None and level not in levels:
        raise InputError(f"Unknown level {level!r}; expected one of: {', '.join(levels)}.")
    if output.exists() and not output.is_dir():
        raise InputError(f"{output} is a file; expected a folder to write into.")
    evaluation = evaluate(
        predictions,
        references=references,
        level=Level(level) if level else None,
        labeler=_load_labeler(labeler),
        compare_with=compare_with,
        seed=seed,
        progress=progress,
    )
    progress(0.96, "Writing results")
    write_evaluation(evaluation, output)
    progress(1.0, "Done")
    return output / PAGE_FILE


def _load_labeler(name: str) -> Labeler:
    from reg2rg.labeler import RuleLabeler

    if name == RULES:
        return RuleLabeler()
    folder = Path(name)
    if not folder.is_dir():
        raise InputError(f"Unknown labeler {name!r}; expected {RULES!r} or the folder of a RadBERT classifier.")
    from reg2rg.labeler.radbert import RadBertLabeler

    return RadBertLabeler(folder)
