"""Load a tokenizer from a folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from reg2rg.runtime.third_party import import_transformers


def load_tokenizer(folder: Path) -> Any:
    """Load the transformers tokenizer stored in a folder; no code in the folder is run."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    return import_transformers().AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
