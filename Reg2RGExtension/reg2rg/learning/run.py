"""The entry point behind ``reg2rg learn``: from signed reports to a model that is not worse, or to none."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reg2rg.checkpoints import CARD_FILE, ModelFolder
from reg2rg.checkpoints.checksums import write_checksums
from reg2rg.errors import InputError, Reg2RGError
from reg2rg.evaluation import Table
from reg2rg.hub import find_model
from reg2rg.learning.answers import Answers, HeldOutCase, collect_answers, phantom_case, reviewed_case
from reg2rg.learning.card import learned_card
from reg2rg.learning.comparison import Judged, findings_table, judge, judgment_table
from reg2rg.learning.recipe import CHECK_SEED, rehearses, training_config
from reg2rg.learning.selection import Split, select_reports, split_by_patient
from reg2rg.runtime.disk_space import NotEnoughSpaceError
from reg2rg.runtime.staging import scratch_folder, staged_output
from reg2rg.training.config import MessageCallback
from reg2rg.training.run import train

CHECKED_PHANTOMS = 12
"""Phantoms that both models are compared on, besides the held-out reports, if the model knows phantoms."""

REPORTS, PHANTOM_CASES = "held-out reports", "phantoms"


@dataclass(frozen=True)
class Learned:
    """What came of learning.

    Attributes:
        model: the new model folder; None if the model was worse and nothing was written.
        tables: both models on the same cases.
        worse: the numbers in which the new model is worse.
    """

    model: Path | None
    tables: tuple[Table, ...]
    worse: tuple[Judged, ...]


def learn(
    reports: Sequence[Path],
    output: Path,
    *,
    cts: Path,
    model: str = "phantom",
    held_out: float = 0.25,
    seed: int = 0,
    device: str = "cpu",
    on_message: MessageCallback = lambda message: None,
) -> Learned:
    """Train a model on signed reports, compare it with the one before, and write it unless it is worse.

    Args:
        reports: report folders, or folders that contain some at any depth.
        output: the new model folder.
        cts: folder with the CTs that the reports were made from, under any names.
        model: name or folder of the model to start from.
        held_out: share of the patients to hold out.
        seed: random seed.
        device: name of the torch device.
        on_message: called with each line of progress.

    Returns:
        The new model, or why there is none.

    Raises:
        InputError: the reports, the CTs, the model or the output folder cannot be used.
        Reg2RGError: a package is missing, or the training diverged.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"{output} already exists; choose another output folder.")
    base = ModelFolder.open(find_model(model))
    selection = select_reports(reports, cts)
    if selection.message:
        on_message(selection.message)
    split = split_by_patient(selection.reports, held_out, seed)
    cases = _comparison_cases(split, rehearses(base.config))
    # Staged from the beginning: a folder that cannot be written to would else be noticed after the training.
    with staged_output(output) as staging, scratch_folder(inside=output) as scratch:
        config = training_config(base, output.name, split, device, seed)
        try:
            trained = train(config, scratch / "run", device, on_message)
        except NotEnoughSpaceError as error:  # its own advice is about the configuration of a training
            place = output.absolute().parent
            raise Reg2RGError(f"Learning {error.lack} in {place}; free some space or choose another folder.") from error
        on_message("comparing both models on held-out cases")
        answers = {
            name: (collect_answers(base.path, each, device), collect_answers(trained, each, device))
            for name, each in cases.items()
        }
        judged = [number for name, (before, after) in answers.items() for number in judge(name, before, after)]
        tables = (judgment_table(judged), *(_table(name, *pair) for name, pair in answers.items()))
        worse = tuple(number for number in judged if number.worse)
        if worse:
            return Learned(None, tables, worse)
        options = f"--held-out {held_out:g} --seed {seed}"
        training = (trained / CARD_FILE).read_text(encoding="utf-8")
        card = learned_card(output.name, base, selection, split, options, training, tables)
        shutil.copytree(trained, staging, dirs_exist_ok=True)
        (staging / CARD_FILE).write_text(card, encoding="utf-8")
        write_checksums(staging)
    return Learned(output, tables, ())


def _comparison_cases(split: Split, with_phantoms: bool) -> dict[str, list[HeldOutCase]]:
    held_out = [reviewed_case(each) for each in split.held_out]
    if not any(findings for case in held_out for findings in case.known.values()):
        raise InputError(
            f"The reviews of the {len(held_out)} held-out reports say nothing about findings, so models cannot be "
            "compared; use more reports or another seed."
        )
    if not with_phantoms:
        return {REPORTS: held_out}
    seeds = range(CHECK_SEED, CHECK_SEED + CHECKED_PHANTOMS)
    return {REPORTS: held_out, PHANTOM_CASES: [phantom_case(seed) for seed in seeds]}


def _table(name: str, before: Answers, after: Answers) -> Table:
    about = {
        REPORTS: "Findings that the reviews of the held-out reports speak about; all others are unknown.",
        PHANTOM_CASES: "All findings of phantoms that no model has seen.",
    }
    return findings_table(name.replace(" ", "_"), f"Findings in {name}", about[name], before, after)
