"""A training's config: data, model and stages, as a YAML file says them (Resources/Training, docs/training.md).

Defaults of a stage are the published recipe (reference A.7), but for its six epochs of 16 cases a step: these are for
the data to say (published.yaml has them).
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reg2rg.errors import InputError
from reg2rg.training.config_parsing import Count, Fraction, NotNegative, NotNegativeNumber, Positive, build, read_yaml


@dataclass(frozen=True)
class PhantomData:
    """Phantoms, made from their seeds by the worker processes.

    Attributes:
        cases, validation_cases: how many.
        first_seed, validation_seed: the first of their seeds.
        enriched: training cases have more findings than in life, above all rare ones; validation cases never do.
    """

    kind: Literal["phantoms"]
    cases: Count
    validation_cases: NotNegative = 0
    first_seed: NotNegative = 0
    validation_seed: NotNegative = 8_000_000
    enriched: bool = False


@dataclass(frozen=True)
class FolderData:
    """A folder in the layout in which RadGenome-ChestCT is published (reference B.1; reg2rg.phantom writes it, too).

    Attributes:
        folder: what holds radgenome_files, <split>_preprocessed and <split>_region_mask.
        split: the published "valid" split is the test set: leave it to the evaluation.
        cases: at most so many volumes; None for all.
        validation_cases: volumes kept out of the split for validation; those of one patient stay together.
        spacing: mm of a voxel along right-left, anterior-posterior, superior-inferior, where the files do not say
            (RadGenome's do not: 1, 1, 3).
    """

    kind: Literal["radgenome"]
    folder: Path
    split: Literal["train", "valid"] = "train"
    cases: Count | None = None
    validation_cases: NotNegative = 0
    spacing: tuple[Positive, Positive, Positive] | None = None


@dataclass(frozen=True)
class ModelSource:
    """The model that a training begins with: a model folder, or an architecture with fresh weights.

    Attributes:
        start: a model's name or folder; `reg2rg models new` makes one around a language model.
        architecture: fields of reg2rg.models.config.ModelConfig that differ from the published ones. Under
            ``findings``, labels that are not named are all there are.
        vocabulary: entries of the tokenizer that is made from the training texts, for an architecture.
        vocabulary_cases: cases whose texts it is made from.
        pretrained: the authors' files whose tensors are put into it, for example RadFM_vit3d.pth and
            RadFM_perceiver_fc.pth.
        precision: of a frozen language model: fp32, or bf16.
        findings, dense, cues: switches for ablations: no finding head; no finding map; that many cues.
    """

    start: str | None = None
    architecture: dict[str, Any] | None = None
    vocabulary: Count = 1000
    vocabulary_cases: Count = 400
    pretrained: tuple[Path, ...] = ()
    precision: Literal["fp32", "bf16"] = "fp32"
    findings: bool = True
    dense: bool = True
    cues: NotNegative | None = None


@dataclass(frozen=True)
class Stage:
    """One stage of a training.

    Attributes:
        kind: "vision" teaches the vision transformer and the finding head what the texts (and finding masks) say is
            there; "text" teaches all behind them to write it.
        steps, epochs: how long; one of the two.
        cases: only the first so many training cases; None for all. What frozen vision makes of each is kept.
        batch, accumulate: cases of a forward pass, and passes of a step.
        rate, schedule, warmup, weight_decay, beta2: of AdamW.
        clip: norm that gradients are clipped at. A stage of vision needs a high one: the steps in which a rare finding
            lies have the largest gradients, and clipping these above all teaches the model not to see it.
        frozen: of a text stage: the vision transformer and the finding head stay as they are, and are computed once a
            case.
        losses: only these parts of the loss count; all if none are named. ``[map]`` is dense pre-training.
        window: of a vision stage: at most so many voxels of a region, around a finding, are looked at (needs finding
            masks); None for whole regions.
        every: steps from one checkpoint, and one look at the validation cases, to the next.
        patience: looks without improvement after which the stage ends, and the best is taken; None: the last is taken.
        gradient_checkpointing: of the language model: less memory, more time.
    """

    kind: Literal["vision", "text"]
    steps: Count | None = None
    epochs: Positive | None = None
    cases: Count | None = None
    batch: Count = 1
    accumulate: Count = 1
    rate: Positive = 5e-5
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    warmup: NotNegative = 20
    weight_decay: NotNegativeNumber = 0.0
    beta2: Fraction = 0.999
    clip: Positive = 1.0
    frozen: bool = True
    losses: tuple[str, ...] = ()
    window: tuple[Count, Count, Count] | None = None
    every: Count = 500
    log_every: Count = 50
    patience: Count | None = None
    gradient_checkpointing: bool = False


@dataclass(frozen=True)
class TrainingConfig:
    """A whole training.

    Attributes:
        name: of the model.
        cache: folder of prepared cases, which trainings of equal preprocessing share; None: inside the run's folder.
        workers: processes that prepare cases beside the training.
        threads: of torch; None: its own choice.
        precision: of matrix products while training; parameters that are trained are float32.
        store: type of the stored weights; None: as they are.
    """

    name: str
    data: PhantomData | FolderData
    model: ModelSource
    stages: tuple[Stage, ...]
    cache: Path | None = None
    workers: NotNegative = 1
    threads: Count | None = None
    seed: NotNegative = 0
    precision: Literal["fp32", "bf16"] = "bf16"
    store: Literal["float16", "bfloat16", "float32"] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as YAML or JSON can hold them."""
        return json.loads(json.dumps(dataclasses.asdict(self), default=str))


def read_config(path: Path) -> TrainingConfig:
    """The config in a YAML file; InputError says in words what is wrong with it."""
    return checked(build(TrainingConfig, read_yaml(path), "config"))


def checked(config: TrainingConfig) -> TrainingConfig:
    """The config, if its fields agree with each other; else InputError."""
    if not config.stages:
        raise InputError("config.stages is empty; expected at least one stage, of kind vision or text.")
    for index, stage in enumerate(config.stages):
        _check_stage(stage, f"config.stages[{index}]", config)
    _check_model(config.model)
    data = config.data
    if isinstance(data, PhantomData):
        training = range(data.first_seed, data.first_seed + data.cases)
        validation = range(data.validation_seed, data.validation_seed + data.validation_cases)
        if max(training.start, validation.start) < min(training.stop, validation.stop):
            raise InputError(
                f"config.data takes seeds {training.start} to {training.stop - 1} for training and {validation.start} "
                f"to {validation.stop - 1} for validation; expected none in both."
            )
    return config


def _check_stage(stage: Stage, where: str, config: TrainingConfig) -> None:
    if (stage.steps is None) == (stage.epochs is None):
        raise InputError(f"{where} has steps {stage.steps} and epochs {stage.epochs}; expected one of the two.")
    if stage.patience is not None and not config.data.validation_cases:
        raise InputError(f"{where}.patience needs validation cases; config.data.validation_cases is 0.")
    if stage.kind == "vision" and not config.model.findings:
        raise InputError(f"{where} is of kind vision, which teaches the finding head; config.model.findings is false.")
    if stage.window and stage.kind != "vision":
        raise InputError(f"{where} is of kind {stage.kind} and has a window; expected one of a vision stage alone.")


def _check_model(model: ModelSource) -> None:
    if (model.start is None) == (model.architecture is None):
        raise InputError("config.model needs either start (a model folder) or architecture (fresh weights).")
    if model.start is not None and not (model.findings and model.dense and model.cues is None):
        raise InputError(
            "config.model switches parts off (findings, dense, cues), which needs architecture, not start."
        )
