"""Load configs, tokenizers and models of transformers from local folders, without running code that comes with them.

transformers asks on the terminal whether it may run code from a folder, and runs it if the answer is yes. Everything in
this project is therefore loaded through :func:`load_pretrained`, which never asks: folders that come with code are
refused, and nothing is fetched.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reg2rg.errors import InputError
from reg2rg.runtime.third_party import import_transformers

_CODE_FIELDS = ("auto_map", "custom_generate", "custom_pipelines")
"""Fields of JSON files that name Python code for transformers to import."""

_KERNEL_FIELDS = ("attn_implementation", "experts_implementation")
"""Ends of field names that may name a repository of compiled code; such a name contains a slash."""

_WITHOUT_SETTINGS = ("tokenizer.json", "vocab.json")
"""JSON files whose keys are words of a vocabulary."""


def load_pretrained(auto_class: str, folder: Path, **options: Any) -> Any:
    """Load something from a local folder in the format of transformers.

    Args:
        auto_class: name of the class of transformers, such as "AutoTokenizer".
        folder: the folder.
        **options: further options of the class's ``from_pretrained``.

    Returns:
        What ``from_pretrained`` returns.

    Raises:
        InputError: the folder comes with Python code.
    """
    refuse_custom_code(folder, weights=options.get("gguf_file"))
    loader = getattr(import_transformers(), auto_class)
    return loader.from_pretrained(folder, local_files_only=True, trust_remote_code=False, **options)


def refuse_custom_code(folder: Path, weights: str | None = None) -> None:
    """Check that a folder neither contains Python code nor names some in its settings.

    Args:
        folder: the folder of a model or tokenizer.
        weights: name of the only file that the folder was chosen for. Python files beside it are then ignored, as they
            are in the folder of an installed package, but not settings that name code.

    Raises:
        InputError: the folder comes with code. The message names the file and the field.
    """
    if weights is None:
        for file in sorted(folder.rglob("*.py")):
            raise InputError(_refusal(folder, f"contains {file.relative_to(folder)}"))
    for file in sorted(folder.glob("*.json")):
        if file.name not in _WITHOUT_SETTINGS and not file.name.endswith(".index.json"):
            for field in _find_code(_read(file)):
                raise InputError(_refusal(folder, f"names custom code: {field!r} in {file.name}"))


def _refusal(folder: Path, finding: str) -> str:
    return (
        f"{folder} {finding}. Code that comes with a model is never run; expected a model that transformers supports "
        "without it. If you trust the folder, remove the code from a copy of it."
    )


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None  # whoever needs the file refuses it


def _find_code(values: Any) -> Iterator[str]:
    """Yield the names of fields, at any depth, that name code."""
    if isinstance(values, Mapping):
        for name, value in values.items():
            is_kernel = name.endswith(_KERNEL_FIELDS) and "/" in json.dumps(value)
            if (name in _CODE_FIELDS and value) or is_kernel or (name == "trust_remote_code" and value is True):
                yield name
            yield from _find_code(value)
    elif isinstance(values, list):
        for value in values:
            yield from _find_code(value)
