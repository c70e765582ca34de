"""Model card for a model that has been trained but not yet evaluated."""

from __future__ import annotations

from collections.abc import Mapping

from reg2rg.about import DRAFT_LABEL, __version__
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.training.config import (
    CaseData,
    MixedData,
    PhantomData,
    PlantedData,
    ReviewedData,
    Stage,
    TrainingConfig,
)
from reg2rg.training.plot import History


def model_card(
    config: TrainingConfig, model: Reg2RG, initial_model: str | None, histories: Mapping[str, History]
) -> str:
    """Describe the data and the steps that a model was trained with, and state that it has not been evaluated.

    Args:
        config: configuration of the training run.
        model: the trained model.
        initial_model: name of the model that training started from; None for random weights.
        histories: name of each stage, in order -> its log entries.

    Returns:
        The text of MODEL_CARD.md, which contains no paths of this machine.
    """
    stages = [
        f"  - {name}: {_describe_stage(stage, history)}"
        for (name, history), stage in zip(histories.items(), config.stages, strict=True)
    ]
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return f"""# {config.name}: not evaluated

**Nobody has measured how often this model is right.** {DRAFT_LABEL}

- Architecture: Reg2RG (see config.json), {parameters / 1e6:.1f} million parameters.
- Initial weights: {f"those of the model {initial_model}" if initial_model else "random"}.
- Training data: {_describe_data(config.data)}
- Training with `reg2rg train` {__version__}, seed {config.seed}:
{chr(10).join(stages)}
- Calibration: {_describe_calibration(config, model)}
- Intended use: research and development. Evaluate its quality before making claims about it (docs/evaluation.md).
"""


def _describe_stage(stage: Stage, history: History) -> str:
    steps = max((int(row["step"]) for row in history), default=0)
    batch = stage.batch_size * stage.grad_accum_steps
    cases = "1 case" if batch == 1 else f"{batch} cases"
    patches = ", on patches around findings" if stage.patch_size else ""
    return f"{steps} steps of {cases}, learning rate {stage.learning_rate:g} ({stage.schedule}){patches}"


def _describe_data(data: CaseData) -> str:
    if isinstance(data, MixedData):
        return "\n".join(["several sources:", *(f"  - {_describe_data(source)}" for source in data.sources)])
    if isinstance(data, PhantomData):
        enriched = "enriched " if data.enriched else ""
        return (
            f"{data.cases} {enriched}phantoms from reg2rg.phantom (first seed {data.first_seed}), and "
            f"{data.validation_cases} phantoms for validation (first seed {data.validation_seed}). No patient data."
        )
    if isinstance(data, ReviewedData):
        return (
            f"{len(data.cases)} signed reports and their CTs, and {len(data.validation)} of other patients for "
            "validation."
        )
    if isinstance(data, PlantedData):
        return (
            f"{data.cases} variations of the real chest CTs in {data.hosts.name}, with and without planted findings "
            f"(first seed {data.first_seed}), and {data.validation_cases} of other patients for validation (first seed "
            f"{data.validation_seed}). The findings are synthetic. The terms of the CTs also apply to the weights."
        )
    return (
        f'the "{data.split}" split of a folder in the layout of RadGenome-ChestCT, except for {data.validation_cases} '
        "volumes of other patients, which were used for validation. The terms of the data also apply to the weights."
    )


def _describe_calibration(config: TrainingConfig, model: Reg2RG) -> str:
    findings = model.config.findings
    if findings is None:
        return "none, because the model has no finding head."
    if not config.data.validation_cases:
        return "none, because there were no validation cases."
    words = f"temperature of the finding head, fitted on the validation cases: {findings.temperature:.2f}"
    by_kind = ", ".join(f"{kind} {value:.2f}" for kind, value in findings.kind_temperatures.items() if kind)
    return f"{words} ({by_kind})." if by_kind else f"{words}."
