"""Create a model to train: a model folder with a given language model, new LoRA and an untrained vision side."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from reg2rg.about import DRAFT_LABEL
from reg2rg.checkpoints.saving import save_model
from reg2rg.errors import InputError, Reg2RGError
from reg2rg.models.config import LanguageConfig, LoraSettings, ModelConfig
from reg2rg.models.language_model import add_lora, from_transformers_config
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.runtime.pretrained import load_pretrained
from reg2rg.runtime.staging import staged_output

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def create_model(language: Path, folder: Path, like: ModelConfig, seed: int = 0) -> None:
    """Write a model folder around a language model from a GGUF file or a transformers folder.

    Args:
        language: a .gguf file, a folder that contains one, or a folder in transformers format.
        folder: the model folder to write, empty or new; its name becomes the model's name.
        like: configuration of everything except the language model.
        seed: random seed of the new weights.

    Raises:
        InputError: ``language`` is not a LLaMA-family language model, or ``folder`` is not empty.
        Reg2RGError: the package gguf is required and not installed.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not empty; choose a new folder for the model.")
    source = _find_language_model(language)
    language_config, tokenizer, language_model = _load_language_model(source, like.language.lora or LoraSettings())
    config = dataclasses.replace(like, name=folder.absolute().name, trained_for="", language=language_config)
    torch.manual_seed(seed)
    model = Reg2RG(config, add_lora(language_model, language_config.lora))
    model.tokenizer = tokenizer
    with staged_output(folder) as staging:
        save_model(model, staging, dtype=None, card=_model_card(config, source))


def _find_language_model(path: Path) -> Path:
    """Return the .gguf file or the transformers folder that a path stands for."""
    if (path.is_file() and path.suffix == ".gguf") or (path / "config.json").is_file():
        return path
    files = sorted(path.rglob("*.gguf"))
    if len(files) == 1:
        return files[0]
    found = f"; it contains several: {', '.join(file.name for file in files)}" if files else ""
    raise InputError(f"{path} is not a language model; expected a .gguf file or a folder with a config.json{found}.")


def _load_language_model(source: Path, lora: LoraSettings) -> tuple[LanguageConfig, Any, PreTrainedModel]:
    """Load the config, tokenizer and model. A GGUF file is dequantized to float16; other types are kept."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    folder, location = source, {}
    options: dict[str, Any] = {"dtype": "auto"}
    try:
        if source.is_file():
            from transformers import GgufConfig

            folder, location = source.parent, {"gguf_file": source.name}
            options = {"dtype": torch.float16, "quantization_config": GgufConfig(dequantize=True)}
        tokenizer = load_pretrained("AutoTokenizer", folder, **location)
        source_config = load_pretrained("AutoConfig", folder, **location)
        config = from_transformers_config(source_config, tokenizer, lora)  # refuses other families early
        _check_tokenizer(source, tokenizer, config.vocab_size)
        model = load_pretrained("AutoModelForCausalLM", folder, **location, **options, config=source_config)
        return config, tokenizer, model
    except ImportError as error:
        raise Reg2RGError(f"GGUF files require another package ({error}): pip install 'reg2rg[gguf]'.") from error
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise InputError(f"{source} cannot be read as a language model ({error}).") from error


def _check_tokenizer(source: Path, tokenizer: Any, vocab_size: int) -> None:
    if tokenizer.eos_token_id is None:
        raise InputError(f"The tokenizer of {source} has no end-of-text token.")
    if len(tokenizer) > vocab_size:
        raise InputError(f"The tokenizer of {source} has {len(tokenizer)} tokens, but the model only {vocab_size}.")


def _model_card(config: ModelConfig, source: Path) -> str:
    language = config.language
    return f"""# {config.name}: untrained

**This model has learned nothing about CT yet.** Its vision side and LoRA are new. It is a starting point for training.

- Language model: {source.name}, {language.model_type}, {language.num_hidden_layers} layers of width
  {language.hidden_size}, under its own license.
- Created by `reg2rg models new`. Intended use: training. {DRAFT_LABEL}
"""
