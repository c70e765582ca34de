"""A training from its config to the model folder, in a run folder that a killed training goes on from.

RUN/config.json            what is trained; another config needs another folder
    data.txt               cases, and what was left out
    cache/, kept/          prepared cases (unless the config names a place for them), kept vision
    tokenizer/             made from the training texts, where the model is made from nothing
    1-vision/, 2-text/     of each stage: checkpoints, logs (TensorBoard), and when it has ended trained.safetensors
                           and history.json
    losses.png, model/     the result
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from reg2rg.checkpoints.saving import save_model
from reg2rg.errors import InputError, Reg2RGError
from reg2rg.models.config import ModelConfig
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.regions import REGION_NAMES
from reg2rg.runtime.staging import staged_output
from reg2rg.training.calibration import calibrate
from reg2rg.training.case_cache import CaseNumbers, CaseStore, case_bytes
from reg2rg.training.config import Stage, TrainingConfig
from reg2rg.training.datasets import CaseSource, open_source
from reg2rg.training.feature_cache import KeptStore, kept_bytes
from reg2rg.training.initialization import fresh_model, full_config, started_model, take_weights
from reg2rg.training.model_card import write_card
from reg2rg.training.module import Learner
from reg2rg.training.plot import History, plot_losses
from reg2rg.training.tokenizers import train_tokenizer
from reg2rg.training.trainer import WEIGHTS, StageTrainer, Tell, load_trained, save_trained

CONFIG, HISTORY = "config.json", "history.json"
_DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32, None: None}


def train(config: TrainingConfig, folder: Path, device: str, tell: Tell) -> Path:
    """Train; return the model folder. Called again after it was interrupted or killed, it goes on.

    Args:
        folder: the run's.
        tell: called with each line of progress.

    Raises:
        InputError: the data, the model or the folder cannot be used.
        Reg2RGError: a package is missing, or the loss is no longer finite.
    """
    _check_packages()
    _check_folder(folder, config)
    if (folder / "model" / "config.json").is_file():
        tell("This training has ended already.")
        return folder / "model"
    if config.threads:
        torch.set_num_threads(config.threads)
    source, full = open_source(config.data), full_config(config.model, config.name)
    if any(stage.window for stage in config.stages) and not source.finding_masks:
        raise InputError(
            "A stage has a window around findings, but no training case has a finding mask; expected some in "
            "<split>_finding_mask (docs/training.md), or stages without window."
        )
    _write(folder / CONFIG, _described(config))
    store = CaseStore(source, full, config.cache or folder / "cache")
    _check_room(store, full, folder)
    tell(f"{len(store.training)} training and {len(store.validation)} validation cases, prepared in {store.folder}")
    _write(folder / "data.txt", _describe(source, store))
    model = _model(config, full, store, folder, device)
    histories = {}
    for number, stage in enumerate(config.stages, start=1):
        name = f"{number}-{stage.kind}"
        histories[name] = _train_stage(model, config, stage, store, folder / name, tell)
    shutil.rmtree(folder / "kept", ignore_errors=True)
    _write(folder / "data.txt", _describe(source, store))
    plot_losses(histories, folder / "losses.png")
    tell("calibrating")
    calibrate(model, store)
    model.config = dataclasses.replace(model.config, name=config.name)
    with staged_output(folder / "model") as staging:
        save_model(model.eval(), staging, dtype=_DTYPES[config.store], card=write_card(config, model, histories))
    return folder / "model"


def _train_stage(
    model: Reg2RG, config: TrainingConfig, stage: Stage, store: CaseStore, folder: Path, tell: Tell
) -> History:
    """Train a stage, or put back what it trained; what it logged."""
    frozen = stage.kind == "text" and stage.frozen
    ended = (folder / HISTORY).is_file()
    kept = KeptStore(model, store, folder.parent / "kept") if frozen and not ended else None
    learner = Learner(model, stage, store, kept)
    if ended:
        load_trained(learner, folder / WEIGHTS)
        return json.loads((folder / HISTORY).read_text())
    trainer = StageTrainer(learner, store, config, stage, folder, tell)
    history = trainer.run()
    with staged_output(folder) as staging:
        save_trained(learner, staging / WEIGHTS)
        (staging / HISTORY).write_text(json.dumps(history))
    for checkpoint in folder.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    return history


def _model(config: TrainingConfig, full: ModelConfig, store: CaseStore, folder: Path, device: str) -> Reg2RG:
    if config.model.start is not None:
        model = started_model(config.model, device)
    else:
        tokenizer = _tokenizer(config, store, folder / "tokenizer")
        model = fresh_model(full, config.model, tokenizer, config.seed).to(device)
    take_weights(model, config.model.pretrained)
    return model


def _tokenizer(config: TrainingConfig, store: CaseStore, folder: Path) -> Any:
    from transformers import AutoTokenizer

    if not folder.exists():
        with staged_output(folder) as staging:
            make_tokenizer(store, config).save_pretrained(staging)
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def make_tokenizer(store: CaseStore, config: TrainingConfig) -> Any:
    """A tokenizer from the texts of the first training cases."""
    cases = CaseNumbers(store, store.training[: config.model.vocabulary_cases])
    numbers = [int(number) for number in DataLoader(cases, batch_size=None, num_workers=config.workers)]
    regions = [sample for number in numbers for sample in store[number].regions]
    texts = [f"The region 0 is {REGION_NAMES[sample.region]}: {sample.text}" for sample in regions]
    return train_tokenizer(texts, config.model.vocabulary)


def _check_folder(folder: Path, config: TrainingConfig) -> None:
    """InputError if the folder is another config's or holds something else."""
    stored = folder / CONFIG
    if stored.is_file():
        if stored.read_text() != _described(config):
            raise InputError(f"{folder} holds a training of another config; give this one a folder of its own.")
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not empty and holds no training; give this one a folder of its own.")


def _described(config: TrainingConfig) -> str:
    return json.dumps(config.to_dict(), indent=2) + "\n"


def _check_room(store: CaseStore, config: ModelConfig, folder: Path) -> None:
    """InputError if the disk cannot hold the prepared cases and what a frozen vision transformer makes of them."""
    cases = len(store.training) + len(store.validation)
    store.folder.mkdir(parents=True, exist_ok=True)
    missing = cases - sum(1 for _ in store.folder.glob("*.safetensors"))
    for what, place, needed in (
        ("prepared cases", store.folder, missing * case_bytes(config)),
        ("kept vision", folder, cases * kept_bytes(config)),
    ):
        free = shutil.disk_usage(place).free
        if needed > free:
            raise InputError(
                f"{cases} cases need about {needed / 1e9:,.0f} GB for {what}, and {place} has {free / 1e9:,.0f} GB; "
                "take fewer cases (config.data.cases), smaller sizes, or a place on another disk (config.cache, -o)."
            )


def _describe(source: CaseSource, store: CaseStore) -> str:
    lines = [f"{len(store.training)} training cases, {len(store.validation)} validation cases", *source.notes]
    lines += [f"{name} cannot be used: {problem}" for name, problem in store.problems().items()]
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
        raise Reg2RGError(f"Training needs more packages ({error}): pip install 'reg2rg[train]'.") from error
