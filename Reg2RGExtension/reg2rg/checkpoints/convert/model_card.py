"""MODEL_CARD.md of an imported checkpoint: where its weights come from, what was changed, under which terms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from reg2rg import DRAFT_LABEL, __version__
from reg2rg.checkpoints.convert.infer_config import list_differences
from reg2rg.checkpoints.convert.tensor_files import Stored
from reg2rg.models.config import ModelConfig

_TERMS = """## Terms

- Research use. Not a medical device, not for clinical use.
- The language model is a derivative of Llama 2: "Llama 2 is licensed under the LLAMA 2 Community License, Copyright (c)
  Meta Platforms, Inc. All Rights Reserved." Its licence and acceptable use policy bind whoever uses these weights.
- The vision encoder and perceiver begin from RadFM. The model was trained on RadGenome-ChestCT (CC-BY-4.0, and the
  terms of CT-RATE) or CTRG-Chest-548K, as its authors state.
- The terms of the Reg2RG weights themselves are those on their authors' page; this project does not know of any more.
"""


def write_card(
    config: ModelConfig, tensors: Mapping[str, Stored], overruled: Sequence[str], sources: Mapping[Path, str]
) -> str:
    """The card's text.

    Args:
        tensors: our name -> where it was taken from.
        overruled: our names of tensors found in RadFM's files that the main checkpoint gave.
        sources: file -> its SHA-256.
    """
    taken = Counter(stored.file for stored in tensors.values())
    types = Counter(str(stored.dtype).removeprefix("torch.") for stored in tensors.values())
    rows = [
        f"| {file.name} | {file.stat().st_size:,} | {taken[file]} | `{digest}` |" for file, digest in sources.items()
    ]
    parameters = sum(stored.bytes // stored.dtype.itemsize for stored in tensors.values())
    lines = [
        f"# {config.name}: an imported Reg2RG checkpoint",
        "",
        f"Imported by `reg2rg models import` (reg2rg {__version__}) from the files below; no weight was changed. "
        f"{DRAFT_LABEL}",
        "",
        "| file | bytes | tensors taken | SHA-256 |",
        "|---|---|---|---|",
        *rows,
        "",
        f"- {len(tensors)} tensors, {parameters:,} parameters, stored as they were: "
        + ", ".join(f"{count} of {name}" for name, count in types.items())
        + ".",
        "- Names are those of the published checkpoint with peft 0.7 or later. The word embeddings are stored once; "
        "rotary buffers are left out, since they are computed.",
        "- Sizes in config.json were read from the tensors' shapes or given. Not as in the published model: "
        + (", ".join(list_differences(config)) or "none")
        + ".",
    ]
    if overruled:
        lines.append(
            f"- {len(overruled)} tensors are in RadFM's files, too; those of the main checkpoint, trained further, "
            "were taken."
        )
    return "\n".join(lines) + "\n\n" + _TERMS
