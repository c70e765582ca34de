"""Configuration of a training run: data, model and stages, as written in a YAML file.

``Resources/Training`` contains examples; ``docs/training.md`` explains them. The defaults of a stage follow the
published recipe (Reg2RG, IEEE TMI 2025), except for its six epochs and its effective batch size of 16, which depend on
the data and are set in ``published.yaml``.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reg2rg.errors import InputError
from reg2rg.runtime.dataclass_io import Seed, from_plain, to_plain
from reg2rg.runtime.yaml_files import read_yaml
from reg2rg.training.legacy_config import upgrade_config
from reg2rg.training.number_types import Fraction, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

MessageCallback = Callable[[str], None]
"""Called with each message to the user, a single line of text."""

PHANTOMS, CTS = "phantoms", "CTs"
"""Kinds of volumes that a model learns to tell apart (:attr:`reg2rg.models.config.FindingConfig.kinds`)."""

_EXPECTED = "a training configuration, or one of: smoke, phantom, ablation, published"


@dataclass(frozen=True)
class PhantomData:
    """Synthetic cases, generated from seeds by the worker processes.

    Attributes:
        cases: number of training cases.
        validation_cases: number of validation cases.
        first_seed: first seed of the training cases.
        validation_seed: first seed of the validation cases.
        enriched: whether training cases get more findings than occur naturally, especially rare ones. Validation cases
            are never enriched.
        unknown: labels that count as unknown in all cases, because other sources teach them.
    """

    kind: Literal["phantoms"]
    cases: PositiveInt
    validation_cases: NonNegativeInt = 0
    first_seed: NonNegativeInt = 0
    validation_seed: NonNegativeInt = 8_000_000
    enriched: bool = False
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlantedData:
    """Real CTs with planted findings, generated from seeds by the worker processes (:mod:`reg2rg.planting`).

    Each seed gives two cases: a scan with findings, and its twin, which is the same scan without them.

    Attributes:
        folder: folder of the real CTs.
        hosts: YAML file that lists them, relative to the configuration file. Patients that it holds out are used for
            validation only.
        cases: number of seeds for training.
        validation_cases: number of seeds for validation.
        first_seed: first seed of the training cases.
        validation_seed: first seed of the validation cases.
    """

    kind: Literal["planted"]
    folder: Path
    hosts: Path
    cases: PositiveInt
    validation_cases: NonNegativeInt = 0
    first_seed: NonNegativeInt = 0
    validation_seed: NonNegativeInt = 8_000_000


@dataclass(frozen=True)
class RadGenomeData:
    """A folder in the layout of RadGenome-ChestCT, which ``reg2rg.phantom`` can also write.

    Attributes:
        folder: the folder that contains ``radgenome_files``, ``<split>_preprocessed`` and ``<split>_region_mask``.
        split: name of the split. The published "valid" split is the test set; reserve it for evaluation.
        cases: maximum number of training volumes; None for all.
        validation_cases: number of volumes of the split to hold out for validation. A patient's volumes are either all
            used for training or all held out.
        spacing: voxel spacing in mm (right-left, anterior-posterior, superior-inferior), for files that do not
            state it. RadGenome's do not; theirs is 1, 1, 3.
    """

    kind: Literal["radgenome"]
    folder: Path
    split: Literal["train", "valid"] = "train"
    cases: PositiveInt | None = None
    validation_cases: NonNegativeInt = 0
    spacing: tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None = None


@dataclass(frozen=True)
class ReviewedCase:
    """A signed report and the CT that it was made from.

    Attributes:
        report: the report folder.
        ct: the CT, a file or a DICOM folder.
        series: UID of its DICOM series, if the folder contains several.
    """

    report: Path
    ct: Path
    series: str | None = None


@dataclass(frozen=True)
class ReviewedData:
    """Signed reports with their CTs. ``reg2rg learn`` lists them.

    Attributes:
        cases: the training cases.
        validation: the validation cases, of other patients.
    """

    kind: Literal["reviewed"]
    cases: tuple[ReviewedCase, ...]
    validation: tuple[ReviewedCase, ...] = ()

    @property
    def validation_cases(self) -> int:
        """Number of validation cases."""
        return len(self.validation)


SingleData = PhantomData | PlantedData | RadGenomeData | ReviewedData
"""One kind of cases."""


@dataclass(frozen=True)
class MixedData:
    """Cases of several kinds, in a fixed order in which any part has about the same mixture.

    Attributes:
        sources: where the cases come from.
    """

    kind: Literal["mixed"]
    sources: tuple[SingleData, ...]

    @property
    def validation_cases(self) -> int:
        """Number of validation cases of all sources."""
        return sum(source.validation_cases for source in self.sources)


CaseData = SingleData | MixedData
"""Where training and validation cases come from."""


@dataclass(frozen=True)
class ModelSource:
    """The model that training starts from: a model folder, or an architecture with random weights.

    Attributes:
        init_from: name or folder of a model. ``reg2rg models new`` creates one around a language model.
        architecture: fields of :class:`reg2rg.models.config.ModelConfig` that differ from the published ones. In
            ``findings``, labels default to all labels that the labeler knows.
        vocab_size: size of the tokenizer's vocabulary, which an architecture learns from the training texts.
        tokenizer_cases: number of cases whose texts the tokenizer is learned from.
        pretrained: weight files of the authors to load into the model, such as RadFM_vit3d.pth and
            RadFM_perceiver_fc.pth.
        precision: precision of a frozen language model, fp32 or bf16.
        finding_head: False removes the finding head (for ablations).
        finding_map: False removes the finding map (for ablations).
        cues: number of cues per region, if it differs from the architecture's (for ablations).
    """

    init_from: str | None = None
    architecture: dict[str, Any] | None = None
    vocab_size: PositiveInt = 1000
    tokenizer_cases: PositiveInt = 400
    pretrained: tuple[Path, ...] = ()
    precision: Literal["fp32", "bf16"] = "fp32"
    finding_head: bool = True
    finding_map: bool = True
    cues: NonNegativeInt | None = None


@dataclass(frozen=True)
class Stage:
    """One stage of a training run.

    Attributes:
        kind: "vision" trains the vision transformer and the finding head on the findings in the texts (and, where
            available, in the finding masks). "head" trains only what the finding head concludes from what they show,
            with what they show computed once per case and cached. "text" trains everything after them to write the
            texts.
        steps: number of optimizer steps. Specify either ``steps`` or ``epochs``.
        epochs: number of passes over the training cases.
        cases: use only this many training cases, starting with the first; None for all.
        batch_size: cases per forward pass.
        grad_accum_steps: forward passes per optimizer step.
        learning_rate: peak learning rate of AdamW.
        schedule: how the learning rate changes after the warm-up.
        warmup_steps: steps over which the learning rate rises linearly to its peak.
        weight_decay: weight decay of AdamW.
        beta2: beta2 of AdamW.
        max_grad_norm: norm at which gradients are clipped. A vision stage needs a high one: steps that contain a rare
            finding have the largest gradients, and clipping those teaches the model to miss it.
        freeze_vision: keep the vision transformer and the finding head fixed in a text stage. Their output is
            computed once per case and cached.
        losses: names of the losses to minimize; empty for all. ``[map]`` is dense pre-training.
        patch_size: train a vision stage on patches of at most this many voxels around findings instead of whole
            regions. Requires finding masks.
        eval_every: steps between checkpoints, each with an evaluation on the validation cases.
        log_every: steps between log entries.
        patience: end the stage after this many evaluations without improvement and keep the best checkpoint. None
            runs to the end and keeps the last one.
        gradient_checkpointing: recompute the language model's activations in the backward pass, which saves memory
            but takes longer.
    """

    kind: Literal["vision", "head", "text"]
    steps: PositiveInt | None = None
    epochs: PositiveFloat | None = None
    cases: PositiveInt | None = None
    batch_size: PositiveInt = 1
    grad_accum_steps: PositiveInt = 1
    learning_rate: PositiveFloat = 5e-5
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    warmup_steps: NonNegativeInt = 20
    weight_decay: NonNegativeFloat = 0.0
    beta2: Fraction = 0.999
    max_grad_norm: PositiveFloat = 1.0
    freeze_vision: bool = True
    losses: tuple[str, ...] = ()
    patch_size: tuple[PositiveInt, PositiveInt, PositiveInt] | None = None
    eval_every: PositiveInt = 500
    log_every: PositiveInt = 50
    patience: PositiveInt | None = None
    gradient_checkpointing: bool = False

    @property
    def changes_vision(self) -> bool:
        """Whether the stage trains the vision transformer."""
        return self.kind == "vision" or (self.kind == "text" and not self.freeze_vision)


@dataclass(frozen=True)
class Shards:
    """Prepared cases in tar files, which ``reg2rg shards`` writes and training reads in sequence.

    Attributes:
        folder: folder of the shards.
        streams: number of shards that are read at the same time. If this is the number of GPUs times ``workers``, each
            worker process reads its own shards.
        buffer: number of neighboring cases in each stream that are shuffled.
    """

    folder: Path
    streams: PositiveInt = 8
    buffer: PositiveInt = 64


@dataclass(frozen=True)
class TrainingConfig:
    """A complete training run.

    Attributes:
        name: name of the resulting model.
        data: the training and validation cases.
        model: the model to start from.
        stages: the stages, in order.
        cache: folder of prepared cases, which training runs with the same preprocessing can share. Defaults to a folder
            inside the run folder.
        shards: read the cases from shards. None prepares them and keeps them in the cache.
        workers: number of processes that prepare cases during training.
        threads: number of torch's threads; None leaves the choice to torch.
        seed: random seed.
        precision: precision of matrix products during training. "auto" is bf16 where the hardware computes in it,
            otherwise fp32. Trained parameters are always float32.
        save_dtype: data type of the saved weights; None keeps the type of each parameter.
    """

    name: str
    data: CaseData
    model: ModelSource
    stages: tuple[Stage, ...]
    cache: Path | None = None
    shards: Shards | None = None
    workers: NonNegativeInt = 1
    threads: PositiveInt | None = None
    seed: Seed = 0
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    save_dtype: Literal["float16", "bfloat16", "float32"] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that YAML and JSON can represent."""
        return to_plain(self)


def _warn(message: str) -> None:
    warnings.warn(message, FutureWarning, stacklevel=3)


def read_config(path: Path, on_message: MessageCallback = _warn) -> TrainingConfig:
    """Read a training configuration from a YAML file.

    Args:
        path: the file.
        on_message: called with a notice if the file uses former option names. Defaults to a FutureWarning.

    Returns:
        The configuration, with ``~`` in paths replaced by the home folder, and with lists of real CTs relative to the
        file's folder.

    Raises:
        InputError: the file cannot be read, a field is not valid, or fields contradict each other.
    """
    values, renamed = upgrade_config(read_yaml(path, _EXPECTED), "config")
    if renamed:
        names = ", ".join(f"{old} -> {new}" for old, new in renamed.items())
        on_message(f"{path.name} uses former option names, which still work; please rename them: {names}.")
    return check_config(_resolve_paths(from_plain(TrainingConfig, values, "config"), path.parent))


def check_config(config: TrainingConfig) -> TrainingConfig:
    """Check that the fields of a configuration agree with each other.

    Args:
        config: the configuration.

    Returns:
        The same configuration.

    Raises:
        InputError: fields contradict each other.
    """
    if not config.stages:
        raise InputError("config.stages is empty; expected at least one stage, of kind vision, head or text.")
    if any(stage.kind == "head" for stage in config.stages) and any(stage.changes_vision for stage in config.stages):
        raise InputError("config.stages has both a head stage, which needs frozen vision, and one that trains vision.")
    for index, stage in enumerate(config.stages):
        _check_stage(stage, f"config.stages[{index}]", config)
    _check_model(config.model)
    if isinstance(config.data, MixedData) and not config.data.sources:
        raise InputError("config.data.sources is empty; expected at least one source of cases.")
    for data in config.data.sources if isinstance(config.data, MixedData) else (config.data,):
        if isinstance(data, (PhantomData, PlantedData)):
            _check_seeds(data)
    return config


def _check_stage(stage: Stage, name: str, config: TrainingConfig) -> None:
    if (stage.steps is None) == (stage.epochs is None):
        raise InputError(f"{name} has steps {stage.steps} and epochs {stage.epochs}; expected exactly one of them.")
    if stage.patience is not None and not config.data.validation_cases:
        raise InputError(f"{name}.patience needs validation cases, but config.data.validation_cases is 0.")
    if stage.kind != "text" and not config.model.finding_head:
        raise InputError(
            f"{name} of kind {stage.kind} trains the finding head, but config.model.finding_head is false."
        )
    if stage.patch_size and stage.kind != "vision":
        raise InputError(f"{name} of kind {stage.kind} has a patch_size; only vision stages train on patches.")


def _check_model(model: ModelSource) -> None:
    if (model.init_from is None) == (model.architecture is None):
        raise InputError("config.model needs either init_from (a model folder) or architecture (random weights).")
    ablated = not (model.finding_head and model.finding_map and model.cues is None)
    if model.init_from is not None and ablated:
        raise InputError(
            "config.model removes parts (finding_head, finding_map, cues), which needs architecture, not init_from."
        )


def _check_seeds(data: PhantomData | PlantedData) -> None:
    training = range(data.first_seed, data.first_seed + data.cases)
    validation = range(data.validation_seed, data.validation_seed + data.validation_cases)
    if max(training.start, validation.start) < min(training.stop, validation.stop):
        raise InputError(
            f"config.data uses seeds {training.start} to {training.stop - 1} for training and {validation.start} "
            f"to {validation.stop - 1} for validation; expected ranges that do not overlap."
        )


def _resolve_paths(config: TrainingConfig, folder: Path) -> TrainingConfig:
    pretrained = tuple(file.expanduser() for file in config.model.pretrained)
    return dataclasses.replace(
        config,
        data=_resolve_data(config.data, folder),
        model=dataclasses.replace(config.model, pretrained=pretrained),
        cache=config.cache.expanduser() if config.cache else None,
        shards=dataclasses.replace(config.shards, folder=config.shards.folder.expanduser()) if config.shards else None,
    )


def _resolve_data(data: CaseData, folder: Path) -> CaseData:
    if isinstance(data, MixedData):
        return dataclasses.replace(data, sources=tuple(_resolve_source(source, folder) for source in data.sources))
    return _resolve_source(data, folder)


def _resolve_source(data: SingleData, folder: Path) -> SingleData:
    if isinstance(data, RadGenomeData):
        return dataclasses.replace(data, folder=data.folder.expanduser())
    if isinstance(data, PlantedData):
        return dataclasses.replace(data, folder=data.folder.expanduser(), hosts=folder / data.hosts.expanduser())
    return data
