"""The card of a model that has been trained and not yet evaluated."""

from __future__ import annotations

from collections.abc import Mapping

from reg2rg.about import DRAFT_LABEL, __version__
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.training.config import PhantomData, TrainingConfig
from reg2rg.training.plot import History


def write_card(config: TrainingConfig, model: Reg2RG, histories: Mapping[str, History]) -> str:
    """MODEL_CARD.md: what data and steps made the model; that nobody has measured it."""
    stages = [
        f"  - {name}: {_steps(history)} steps of {stage.batch * stage.accumulate} cases, rate {stage.rate:g}, "
        f"{stage.schedule}{', over windows around findings' if stage.window else ''}"
        for (name, history), stage in zip(histories.items(), config.stages, strict=True)
    ]
    return f"""# {config.name}: not evaluated

**Nobody has measured how often this model is right.** {DRAFT_LABEL}

- Architecture: Reg2RG (config.json), {sum(p.numel() for p in model.parameters()) / 1e6:.1f} million parameters.
- Begun {f"from the model {config.model.start}" if config.model.start else "with fresh weights"}.
- Training data: {_data(config)}
- Training, by `reg2rg train` {__version__}, seed {config.seed}:
{chr(10).join(stages)}
- {_calibration(config, model)}
- Intended use: research and development. Measure its quality before anything is said of it (docs/evaluation.md).
"""


def _data(config: TrainingConfig) -> str:
    data = config.data
    if isinstance(data, PhantomData):
        return (
            f"{data.cases} {'enriched ' if data.enriched else ''}phantoms of reg2rg.phantom (seeds from "
            f"{data.first_seed}); {data.validation_cases} others (from {data.validation_seed}) for validation. No "
            "patient data."
        )
    return (
        f'a folder in the layout of RadGenome-ChestCT, split "{data.split}"; {data.validation_cases} volumes of other '
        "patients for validation. Its terms hold for the weights, too."
    )


def _calibration(config: TrainingConfig, model: Reg2RG) -> str:
    findings = model.config.findings
    if findings is None:
        return "It has no finding head."
    if not config.data.validation_cases:
        return "Its finding head is not calibrated: there were no validation cases."
    return f"Its finding head's temperature, fitted on the validation cases: {findings.temperature:.2f}."


def _steps(history: History) -> int:
    return max((int(row["step"]) for row in history), default=0)
