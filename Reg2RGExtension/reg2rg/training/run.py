"""A training run, from its configuration to the model folder.

Everything is kept in a run folder, from which training resumes after it was interrupted or killed:

    config.json           the configuration; stages that have begun can no longer change
    data.txt              the number of cases, and what was left out
    cache/                prepared cases, unless the configuration names another folder
    features/             outputs of frozen vision, until training ends
    tokenizer/            learned from the training texts, if the model is created from an architecture
    1-vision/, 2-text/    per stage: checkpoints and TensorBoard logs; at its end, trained.safetensors and history.json
    losses.png, model/    the result
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from reg2rg.checkpoints.saving import save_model
from reg2rg.checkpoints.tokenizer import load_tokenizer
from reg2rg.errors import InputError, Reg2RGError
from reg2rg.models.config import ModelConfig
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.regions import REGION_NAMES
from reg2rg.runtime.dataclass_io import from_plain, parse_json
from reg2rg.runtime.devices import computes_bf16
from reg2rg.runtime.disk_space import require_free_space
from reg2rg.runtime.folder_lock import LOCK_FILE, locked_folder
from reg2rg.runtime.staging import staged_output
from reg2rg.training.calibration import calibrate
from reg2rg.training.case_cache import CaseCache, CaseIndices, case_bytes, prepare_all
from reg2rg.training.config import (
    MessageCallback,
    MixedData,
    PhantomData,
    RadGenomeData,
    ReviewedData,
    Stage,
    TrainingConfig,
)
from reg2rg.training.datasets import CaseSource, open_source
from reg2rg.training.feature_cache import FeatureCache, SightingCache, feature_bytes
from reg2rg.training.head_calibration import add_offsets, calibrate_head
from reg2rg.training.initialization import create_model, load_initial_model, load_pretrained, resolve_architecture
from reg2rg.training.legacy_config import upgrade_config
from reg2rg.training.model_card import model_card
from reg2rg.training.module import TrainingModule
from reg2rg.training.plot import History, plot_losses
from reg2rg.training.processes import Processes, divides_models, has_lost_another
from reg2rg.training.shards import ShardedCases, open_shards
from reg2rg.training.tokenizers import train_tokenizer
from reg2rg.training.trainer import (
    WEIGHTS,
    StageTrainer,
    last_checkpoint,
    load_trained_parameters,
    save_trained_parameters,
)

CONFIG, HISTORY, DATA, FEATURES = "config.json", "history.json", "data.txt", "features"
_LEGACY_FEATURES = "kept"
_SETTLED_FIELDS = ("data", "model", "shards", "seed")
"""Fields that cannot change once the first stage has begun. Those that are not listed only say how to compute."""

_FINAL_FIELDS = ("name", "save_dtype")
"""Fields that matter at the end, and cannot change after it."""

_DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


def train(config: TrainingConfig, folder: Path, device: str, on_message: MessageCallback) -> Path:
    """Train a model. A run that was interrupted or killed resumes when this is called again.

    Args:
        config: what to train.
        folder: the run folder.
        device: name of the torch device.
        on_message: called with each line of progress.

    Returns:
        The model folder.

    Raises:
        InputError: the data, the model or the folder cannot be used.
        Reg2RGError: a package is missing, or the training diverged.
    """
    _check_packages()
    processes = Processes(device)
    if not processes.is_main:
        on_message = _ignore
    with locked_folder(folder, "Another training run") if processes.is_main else contextlib.nullcontext():
        try:
            model = _train(config, folder, processes, on_message)
            processes.leave()
            return model
        except RuntimeError as error:
            if "DataLoader worker" in str(error):
                raise Reg2RGError(
                    "A process that prepares cases was killed, probably because memory ran out; close other programs "
                    "or use fewer workers. The same command resumes training."
                ) from error
            if has_lost_another(error):
                raise Reg2RGError(
                    "Another process of this training has ended, or the network has failed; see the other messages. "
                    "The same command resumes training."
                ) from error
            raise


def _train(config: TrainingConfig, folder: Path, processes: Processes, on_message: MessageCallback) -> Path:
    if processes.is_main:
        _check_folder(folder, config)
    processes.wait()
    if (folder / "model" / "config.json").is_file():
        on_message("This training run has already finished.")
        return folder / "model"
    if config.precision == "bf16" and processes.device == "cpu" and not computes_bf16(processes.device):
        on_message("This CPU does not compute in bf16; torch emulates it, which is slow. Use precision: auto or fp32.")
    if config.threads:
        torch.set_num_threads(config.threads)
    if divides_models() and any(stage.kind == "head" for stage in config.stages):
        raise InputError("FSDP cannot train a head stage, which is small; start the training without FSDP.")
    architecture = resolve_architecture(config.model, config.name)
    source, cases = _open_cases(config, architecture, folder)
    _check_finding_masks(config, source)
    if processes.is_main:
        _discard_unused(folder, config)
        _write(folder / CONFIG, _to_json(config))
        _check_disk_space(cases, architecture, folder)
    for note in source.notes:
        on_message(note)
    if config.shards is None and (source.may_fail or processes.count > 1):
        prepare_all(cases, config.workers, on_message, processes)
    on_message(
        f"{len(cases.training)} training cases and {len(cases.validation)} validation cases; prepared cases are in "
        f"{cases.folder}"
    )
    if processes.is_main:
        _write(folder / DATA, _describe_data(source, cases))
    model = _initial_model(config, architecture, cases, folder, processes)
    seen = None
    if any(stage.kind == "head" for stage in config.stages):
        seen = SightingCache(model, cases, folder / FEATURES)
    histories = {}
    for number, stage in enumerate(config.stages, start=1):
        name = f"{number}-{stage.kind}"
        histories[name] = _train_stage(model, config, stage, cases, seen, folder / name, processes, on_message)
        if divides_models():  # it is in parts now; its parameters have been written
            model = _initial_model(config, architecture, cases, folder, processes)
            for ended, ended_stage in zip(histories, config.stages, strict=False):
                load_trained_parameters(TrainingModule(model, ended_stage, cases, None), folder / ended / WEIGHTS)
    if not processes.is_main:
        return folder / "model"
    plot_losses(histories, folder / "losses.png")
    on_message("calibrating")
    if seen is None:
        calibrate(model, cases)
    else:
        calibrate_head(model, cases, seen)
    for name in (FEATURES, _LEGACY_FEATURES):
        shutil.rmtree(folder / name, ignore_errors=True)
    purpose = _purpose(config, model.config.trained_for)
    model.config = dataclasses.replace(model.config, name=config.name, trained_for=purpose)
    card = model_card(config, model, architecture.name if config.model.init_from else None, histories)
    with staged_output(folder / "model") as staging:
        save_model(model.eval(), staging, dtype=_DTYPES[config.save_dtype] if config.save_dtype else None, card=card)
    return folder / "model"


def _open_cases(config: TrainingConfig, architecture: ModelConfig, folder: Path) -> tuple[CaseSource, CaseCache]:
    if config.shards is None:
        source = open_source(config.data)
        return source, CaseCache(source, architecture, config.cache or folder / "cache")
    shards = open_shards(config.shards.folder)
    return shards, ShardedCases(shards, architecture, config)


def _ignore(message: str) -> None:
    """Ignore a message, because the main process has the same one."""


def _purpose(config: TrainingConfig, before: str) -> str:
    """Return what a model of this training is for, as reports state it, given the purpose of the initial model."""
    sources = config.data.sources if isinstance(config.data, MixedData) else (config.data,)
    if reviewed := sum(len(source.cases) for source in sources if isinstance(source, ReviewedData)):
        return f"{before or 'unknown data'}, then {reviewed} reviewed reports"
    if all(isinstance(source, PhantomData) for source in sources):
        return "synthetic phantoms, not patients"
    if not any(isinstance(source, RadGenomeData) for source in sources):
        return "synthetic findings, in phantoms and in a few real chest CTs"
    return "chest CTs like those of its training data, in the layout of RadGenome-ChestCT"


def _train_stage(
    model: Reg2RG,
    config: TrainingConfig,
    stage: Stage,
    cases: CaseCache,
    seen: SightingCache | None,
    folder: Path,
    processes: Processes,
    on_message: MessageCallback,
) -> History:
    """Train a stage, or load its parameters if it has already ended; return its log entries."""
    has_ended = (folder / HISTORY).is_file()
    features = None
    if stage.kind == "text" and stage.freeze_vision and not has_ended:
        features = FeatureCache(model, cases, folder.parent / FEATURES, seen)
    if stage.kind == "head" and not has_ended:
        with processes.main_first():  # it removes incomplete checkpoints
            checkpoint = last_checkpoint(folder)
        if checkpoint is None:
            assert seen is not None
            add_offsets(model, cases, seen)
    module = TrainingModule(model, stage, cases, features, seen)
    if has_ended:
        load_trained_parameters(module, folder / WEIGHTS)
        return json.loads((folder / HISTORY).read_text())
    trainer = StageTrainer(module, cases, config, stage, folder, on_message)
    history = trainer.run()
    processes.wait()
    if processes.is_main:
        with staged_output(folder) as staging:
            if divides_models():
                shutil.copyfile(trainer.final_checkpoint() / WEIGHTS, staging / WEIGHTS)
            else:
                save_trained_parameters(module, staging / WEIGHTS)
            (staging / HISTORY).write_text(json.dumps(history))
        for checkpoint in folder.glob("checkpoint-*"):
            shutil.rmtree(checkpoint)
    processes.wait()
    return history


def _initial_model(
    config: TrainingConfig, architecture: ModelConfig, cases: CaseCache, folder: Path, processes: Processes
) -> Reg2RG:
    if config.model.init_from is not None:
        model = load_initial_model(config.model, processes.device)
    else:
        with processes.main_first():
            tokenizer = _load_tokenizer(config, cases, folder / "tokenizer")
        model = create_model(architecture, config.model, tokenizer, config.seed).to(processes.device)
    load_pretrained(model, config.model.pretrained)
    return model


def _load_tokenizer(config: TrainingConfig, cases: CaseCache, folder: Path) -> Any:
    """Return the run's tokenizer, learning it when it is first needed."""
    if not folder.exists():
        with staged_output(folder) as staging:
            learn_tokenizer(cases, config).save_pretrained(staging)
    return load_tokenizer(folder)


def learn_tokenizer(cases: CaseCache, config: TrainingConfig) -> Any:
    """Learn a tokenizer from the texts of the first training cases.

    Args:
        cases: the cases.
        config: specifies how many cases to use, and the size of the vocabulary.

    Returns:
        The tokenizer.
    """
    first = CaseIndices(cases, cases.training[: config.model.tokenizer_cases])
    indices = [int(index) for index in DataLoader(first, batch_size=None, num_workers=config.workers)]
    samples = [sample for index in indices for sample in cases[index].regions]
    texts = [f"The region 0 is {REGION_NAMES[sample.region]}: {sample.text}" for sample in samples]
    return train_tokenizer(texts, config.model.vocab_size)


def _check_folder(folder: Path, config: TrainingConfig) -> None:
    """Raise InputError if the folder belongs to a different configuration or contains something else.

    Stages that have not begun may change, so that a corrected configuration can continue where the first one failed.
    """
    if (folder / CONFIG).is_file():
        begun = _begun_stages(folder)
        ours, theirs = (_settled(each, begun, folder) for each in (config, _read_run_config(folder)))
        changed = [name for name in theirs if ours[name] != theirs[name]]
        if changed:
            raise InputError(
                f"{folder} contains a training run with a different configuration ({', '.join(changed)}); choose "
                "another folder."
            )
    elif any(file.name != LOCK_FILE for file in folder.iterdir()):
        raise InputError(f"{folder} is not empty and does not contain a training run; choose another output folder.")


def _read_run_config(folder: Path) -> TrainingConfig:
    file = folder / CONFIG
    values, _ = upgrade_config(parse_json(file.read_text(), str(file)), str(file))
    return from_plain(TrainingConfig, values, str(file))


def _begun_stages(folder: Path) -> int:
    """Return the number of stages that have at least one checkpoint."""
    stages = _stage_folders(folder)
    begun = [
        number
        for number, stage in stages.items()
        if (stage / HISTORY).is_file() or any(stage.glob("checkpoint-*/trainer_state.json"))
    ]
    return max(begun, default=0)


def _stage_folders(folder: Path) -> dict[int, Path]:
    """Return the folders of stages by the stages' numbers."""
    matches = ((re.fullmatch(r"(\d+)-(vision|head|text)", path.name), path) for path in folder.iterdir())
    return {int(match[1]): path for match, path in matches if match}


def _settled(config: TrainingConfig, begun: int, folder: Path) -> dict[str, Any]:
    """Return the fields of a configuration that can no longer change, given the number of stages that have begun."""
    fields = config.to_dict()
    has_finished = (folder / "model" / "config.json").is_file()
    stages = fields["stages"] if has_finished else fields["stages"][:begun]
    settled = {f"stages[{index}]": stages[index] if index < len(stages) else None for index in range(begun)}
    if begun or has_finished:
        settled |= {name: fields[name] for name in _SETTLED_FIELDS}
    if has_finished:
        settled |= {name: fields[name] for name in _FINAL_FIELDS} | {"stages": stages}
    return settled


def _discard_unused(folder: Path, config: TrainingConfig) -> None:
    """Remove what an earlier configuration left that this one cannot use: the tokenizer and logs of unbegun stages."""
    if not (folder / CONFIG).is_file() or _read_run_config(folder).to_dict() == config.to_dict():
        return
    begun = _begun_stages(folder)
    unused = [stage for number, stage in _stage_folders(folder).items() if number > begun]
    for place in (*unused, *([] if begun else [folder / "tokenizer"])):
        shutil.rmtree(place, ignore_errors=True)


def _check_finding_masks(config: TrainingConfig, source: CaseSource) -> None:
    if any(stage.patch_size for stage in config.stages) and not source.finding_masks:
        raise InputError(
            "A stage has a patch_size, but no training case has a finding mask. Add masks to <split>_finding_mask "
            "(docs/training.md), or remove patch_size."
        )


def _to_json(config: TrainingConfig) -> str:
    return json.dumps(config.to_dict(), indent=2) + "\n"


def _check_disk_space(cases: CaseCache, config: ModelConfig, folder: Path) -> None:
    """Raise Reg2RGError if the disk has too little space for the prepared cases and the features of frozen vision."""
    count = len(cases.training) + len(cases.validation)
    cases.folder.mkdir(parents=True, exist_ok=True)
    hint = "use fewer cases (config.data.cases), smaller sizes, or another disk (config.cache, --output)"
    for content, place, needed in (
        ("The cache of prepared cases", cases.folder, cases.count_missing() * case_bytes(config)),
        ("The cache of vision features", folder, count * feature_bytes(config)),
    ):
        require_free_space(place, needed, content, hint=hint)


def _describe_data(source: CaseSource, cases: CaseCache) -> str:
    lines = [f"{len(cases.training)} training cases, {len(cases.validation)} validation cases", *source.notes]
    lines += [f"{name} cannot be used: {problem}" for name, problem in cases.problems.items()]
    return "\n".join(lines) + "\n"


def _write(file: Path, text: str) -> None:
    with staged_output(file.parent) as staging:
        (staging / file.name).write_text(text)


def _check_packages() -> None:
    try:
        import accelerate  # noqa: F401
        import matplotlib  # noqa: F401
        import tensorboard  # noqa: F401
    except ImportError as error:
        raise Reg2RGError(
            f"Training needs additional packages ({error}); install them with: pip install 'reg2rg[train]'"
        ) from error
