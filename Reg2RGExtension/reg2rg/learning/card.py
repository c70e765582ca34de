"""The model card of a model that learned from reviews: its lineage, and both models on the same cases.

It names neither reviewers nor reports, and contains no paths of this machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from reg2rg.about import DRAFT_LABEL, __version__
from reg2rg.checkpoints import ModelFolder
from reg2rg.evaluation import Table, to_markdown
from reg2rg.learning.selection import ReviewedReport, Selection, Split


def learned_card(
    name: str,
    base: ModelFolder,
    selection: Selection,
    split: Split,
    options: str,
    training: str,
    tables: Sequence[Table],
) -> str:
    """Return the text of MODEL_CARD.md.

    Args:
        name: name of the model.
        base: the model that learning started from.
        selection: the reports.
        split: how they were used.
        options: the options of the command.
        training: the card that the training wrote.
        tables: both models on the same cases.
    """
    _, _, facts = training.partition("\n- ")
    reports = (*split.training, *split.validation, *split.held_out)
    left_out = ", ".join(f"{len(names)} {reason}" for reason, names in selection.left_out.items())
    shown = "\n".join(map(to_markdown, tables)).replace("\n## ", "\n### ").removeprefix("## ")
    return f"""# {name}: learned from reviewed reports

**It was compared only with the model that it comes from, on the few cases below.** {DRAFT_LABEL}

## Lineage

- Base model: {base.config.name}, weights with the SHA-256 {base.weights_sha256}.
- Learned with `reg2rg learn` {__version__}, {options}.
- Reports: {len(split.training)} for training, {len(split.validation)} for validation and calibration,
  {len(split.held_out)} held out, of {len({each.patient for each in reports})} patients or CTs, none in two parts.
- Left out: {left_out or "none"}.
- Drafts: {_drafted_by(reports)}. Created {_span([each.report.provenance.created for each in reports])}, signed
  {_span([_signed(each) for each in reports])}.

## Training

- {facts.strip()}

## Comparison

### {shown.strip()}
"""


def _drafted_by(reports: Sequence[ReviewedReport]) -> str:
    models = {(each.report.provenance.model, each.report.provenance.model_sha256[:12]) for each in reports}
    return "written by " + ", ".join(f"{name} ({sha256})" for name, sha256 in sorted(models))


def _signed(reviewed: ReviewedReport) -> str:
    assert reviewed.report.review is not None and reviewed.report.review.signature is not None
    return reviewed.report.review.signature.time


def _span(times: Sequence[str]) -> str:
    days = sorted(f"{datetime.fromisoformat(time):%Y-%m-%d}" for time in times)
    return f"on {days[0]}" if days[0] == days[-1] else f"from {days[0]} to {days[-1]}"
