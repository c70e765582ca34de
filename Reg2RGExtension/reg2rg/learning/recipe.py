"""How a model is trained on reviewed reports.

First the finding head: a number per finding corrects findings that are stated too often or too rarely, then the head's
conclusions are trained. The vision transformer and the finding map stay as they are: a few dozen reports cannot teach
them to see, and the out-of-distribution check remains valid. Then the text: LoRA if the language model has it, else the
whole language model.

A model that knows phantoms also rehearses them, so that it does not forget findings that the reports do not contain.
Findings that the reports teach by themselves are unknown in these phantoms: on them, reviews have the last word.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from reg2rg.checkpoints import ModelFolder
from reg2rg.learning.selection import ReviewedReport, Split
from reg2rg.models.config import ModelConfig
from reg2rg.report.reviewed_findings import reviewed_findings
from reg2rg.training.config import (
    PHANTOMS,
    CaseData,
    MixedData,
    ModelSource,
    PhantomData,
    ReviewedCase,
    ReviewedData,
    Stage,
    TrainingConfig,
)

PHANTOMS_PER_REPORT = 0.5
"""Phantoms to rehearse per report. With fewer, rare findings are missing; with more, most of the time goes to them."""

REHEARSAL_SEED, CHECK_SEED = 6_000_000, 7_000_000
"""First seeds of the phantoms that are rehearsed, and of those that both models are compared on."""

TAUGHT = 5
"""Reports in which a finding must be present, and reports in which it must be absent, for reviews to teach it alone."""

HEAD_EPOCHS, TEXT_EPOCHS = 10, 2
BATCH = 4


def rehearses(config: ModelConfig) -> bool:
    """Return whether a model was trained on phantoms, so that it can rehearse them."""
    kinds = config.findings.kinds if config.findings else ()
    return PHANTOMS in kinds or "phantoms" in config.trained_for


def training_config(base: ModelFolder, name: str, split: Split, device: str, seed: int) -> TrainingConfig:
    """Return the configuration of the training.

    Args:
        base: the model to start from.
        name: name of the new model.
        split: the reports.
        device: name of the torch device.
        seed: random seed.
    """
    config = base.config
    reviewed = ReviewedData("reviewed", _cases(split.training), _cases(split.validation))
    data: CaseData = reviewed
    if rehearses(config):
        data = MixedData("mixed", (reviewed, _rehearsal(split)))
    batches = math.ceil(len(split.training) * (1 + PHANTOMS_PER_REPORT * rehearses(config)) / BATCH)
    text = Stage(
        "text",
        epochs=TEXT_EPOCHS,
        batch_size=BATCH,
        learning_rate=1e-4,
        schedule="linear",
        warmup_steps=min(10, batches),
        weight_decay=0.01,
        eval_every=batches,
        log_every=batches,
        patience=2,
    )
    head = replace(text, kind="head", epochs=HEAD_EPOCHS, learning_rate=3e-4, max_grad_norm=10.0)
    frozen_in_bf16 = config.language.lora is not None and device.startswith("cuda")
    return TrainingConfig(
        name=name,
        data=data,
        model=ModelSource(init_from=str(base.path), precision="bf16" if frozen_in_bf16 else "fp32"),
        stages=(head, text) if config.findings is not None else (text,),
        workers=0,
        seed=seed,
        save_dtype=base.stored_dtype(),
    )


def taught_findings(reports: Sequence[ReviewedReport]) -> tuple[str, ...]:
    """Return the findings that the reviews say enough about, both where they are present and where they are absent."""
    counts: Counter[tuple[str, bool]] = Counter()
    for each in reports:
        stated = {
            (label, present)
            for findings in reviewed_findings(each.report).values()
            for label, present in findings.items()
            if present is not None
        }
        counts.update(stated)
    labels = sorted({label for label, _ in counts})
    return tuple(label for label in labels if min(counts[label, True], counts[label, False]) >= TAUGHT)


def _rehearsal(split: Split) -> PhantomData:
    cases, validation = (
        max(1, round(PHANTOMS_PER_REPORT * len(reports))) for reports in (split.training, split.validation)
    )
    return PhantomData(
        "phantoms",
        cases,
        validation,
        first_seed=REHEARSAL_SEED,
        validation_seed=REHEARSAL_SEED + cases,
        enriched=True,
        unknown=taught_findings(split.training),
    )


def _cases(reports: Sequence[ReviewedReport]) -> tuple[ReviewedCase, ...]:
    return tuple(each.case for each in reports)
