"""Load tokenizers from folders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from reg2rg.errors import InputError
from reg2rg.models.config import ModelConfig
from reg2rg.runtime.pretrained import load_pretrained

_PROBE = ". The region 0 is "
_PROBE_IDS = [869, 450, 5120, 29871, 29900, 338, 29871]
"""A piece of the published prompt and its IDs. Slow or converted forms of LLaMA's tokenizer give different IDs."""

_LLAMA_VOCABULARY = 32000


def load_tokenizer(folder: Path) -> Any:
    """Load a transformers tokenizer from a folder; InputError if it comes with code."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    return load_pretrained("AutoTokenizer", folder)


def load_llama_tokenizer(folder: Path | None, config: ModelConfig) -> Any:
    """Load LLaMA's tokenizer and check that it gives the published IDs for the published prompt.

    Args:
        folder: the folder with the tokenizer files; None if the user did not specify one.
        config: configuration of the model that needs the tokenizer.

    Returns:
        The tokenizer.

    Raises:
        InputError: there is no tokenizer, it cannot be read, or it is a different one.
    """
    if folder is None or not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model")):
        problem = "No tokenizer was given" if folder is None else f"{folder} has no tokenizer.model or tokenizer.json"
        raise InputError(
            f"{problem}. The checkpoint requires the tokenizer of LLaMA-2, which is gated: accept Meta's license at "
            "https://huggingface.co/meta-llama/Llama-2-7b-chat-hf, save tokenizer.model, tokenizer_config.json and "
            "special_tokens_map.json from there to a folder, and pass it as --tokenizer FOLDER."
        )
    try:
        tokenizer = load_tokenizer(folder)
        special = tokenizer.bos_token_id, tokenizer.eos_token_id
        probe = tokenizer.encode(_PROBE, add_special_tokens=False)
    except InputError:
        raise
    except Exception as error:  # each kind of tokenizer file fails in its own way
        raise InputError(f"The tokenizer in {folder} cannot be read ({type(error).__name__}: {error}).") from error
    vocabulary = config.language.vocab_size
    if len(tokenizer) > vocabulary or special != (1, 2):
        raise InputError(
            f"The tokenizer in {folder} has {len(tokenizer)} tokens, and its first and last tokens have ids {special}; "
            f"this checkpoint expects at most {vocabulary} tokens and ids (1, 2)."
        )
    if vocabulary == _LLAMA_VOCABULARY and probe != _PROBE_IDS:
        raise InputError(
            f"The tokenizer in {folder} is not that of LLaMA-2, or not its fast form: {_PROBE!r} becomes {probe}, "
            f"expected {_PROBE_IDS}."
        )
    return tokenizer
