"""A starting point for training: a model folder with a given language model, fresh LoRA and a fresh vision side."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import nn

from reg2rg.checkpoints.saving import save_model
from reg2rg.errors import InputError, Reg2RGError
from reg2rg.models.config import LanguageConfig, LoraSettings, ModelConfig
from reg2rg.models.language_model import add_lora, from_transformers_config
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.runtime.staging import staged_output


def new_model(language: Path, folder: Path, like: ModelConfig, seed: int = 0) -> None:
    """Write a model folder whose language model comes from a GGUF file or a folder of transformers.

    Args:
        language: a .gguf file, a folder that holds one, or a folder as transformers saves them.
        folder: the model folder to be; its name becomes the model's.
        like: config that all but the language model is taken from.
        seed: of the fresh weights.

    Raises:
        InputError: there is no language model of the LLaMA family there, or ``folder`` is not empty.
        Reg2RGError: the package gguf is not installed.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not empty; give the new model a folder of its own.")
    source = _find_language_model(language)
    described, tokenizer, model = _load_language_model(source, like.language.lora or LoraSettings())
    config = dataclasses.replace(like, name=folder.absolute().name, language=described)
    torch.manual_seed(seed)
    fresh = Reg2RG(config, add_lora(model, described.lora))
    fresh.tokenizer = tokenizer
    with staged_output(folder) as staging:
        save_model(fresh, staging, dtype=None, card=_card(config, source))


def _find_language_model(path: Path) -> Path:
    if path.is_file() and path.suffix == ".gguf" or (path / "config.json").is_file():
        return path
    files = sorted(path.rglob("*.gguf"))
    if len(files) == 1:
        return files[0]
    found = f"; it holds several: {', '.join(file.name for file in files)}" if files else ""
    raise InputError(f"{path} is no language model: expected a .gguf file or a folder with a config.json{found}.")


def _load_language_model(source: Path, lora: LoraSettings) -> tuple[LanguageConfig, Any, nn.Module]:
    """Description, tokenizer and model: float16 from a GGUF file's unpacked blocks, else as it is stored."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    place: dict[str, Any] = {"pretrained_model_name_or_path": source, "local_files_only": True}
    options: dict[str, Any] = {"dtype": "auto"}
    try:
        if source.is_file():
            from transformers import GgufConfig

            place |= {"pretrained_model_name_or_path": source.parent, "gguf_file": source.name}
            options = {"dtype": torch.float16, "quantization_config": GgufConfig(dequantize=True)}
        tokenizer = AutoTokenizer.from_pretrained(**place)
        config = AutoConfig.from_pretrained(**place)
        described = from_transformers_config(config, tokenizer, lora)  # refuses others before the weights come
        _check_tokenizer(source, tokenizer, described.vocab_size)
        return described, tokenizer, AutoModelForCausalLM.from_pretrained(**place, **options, config=config)
    except ImportError as error:
        raise Reg2RGError(f"GGUF files need one more package ({error}): pip install 'reg2rg[gguf]'.") from error
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise InputError(f"{source} is not readable as a language model ({error}).") from error


def _check_tokenizer(source: Path, tokenizer: Any, vocab_size: int) -> None:
    if tokenizer.eos_token_id is None:
        raise InputError(f"The tokenizer of {source} has no token that ends a text.")
    if len(tokenizer) > vocab_size:
        raise InputError(f"The tokenizer of {source} has {len(tokenizer)} tokens, the model only {vocab_size}.")


def _card(config: ModelConfig, source: Path) -> str:
    language = config.language
    return f"""# {config.name}: untrained

**It has learned nothing about CT yet**: its vision side and LoRA are fresh. It is a starting point for training.

- Language model: {source.name}, {language.model_type}, {language.num_hidden_layers} layers of {language.hidden_size}.
  Its own licence holds.
- Made by `reg2rg models new`. Intended use: training. AI-generated draft, not reviewed. Not for clinical use.
"""
