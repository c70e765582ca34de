"""MODEL_CARD.md of a converted checkpoint: where its weights come from, what was changed, and the terms of use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from reg2rg.about import DRAFT_LABEL, __version__
from reg2rg.checkpoints.convert.infer_config import list_differences
from reg2rg.checkpoints.convert.tensor_files import StoredTensor
from reg2rg.models.config import ModelConfig

_TERMS = """## Terms

- For research use. Not a medical device, not for clinical use.
- The language model is a derivative of Llama 2: "Llama 2 is licensed under the LLAMA 2 Community License, Copyright (c)
  Meta Platforms, Inc. All Rights Reserved." Its license and acceptable use policy apply to all users of these weights.
- The vision encoder and perceiver were initialized from RadFM. According to its authors, the model was trained on
  RadGenome-ChestCT (CC-BY-4.0 and the terms of CT-RATE) or CTRG-Chest-548K.
- The terms of the Reg2RG weights are those stated on their authors' page. This project is not aware of further terms.
"""


def write_card(
    config: ModelConfig,
    tensors: Mapping[str, StoredTensor],
    overridden: Sequence[str],
    sources: Mapping[Path, str],
) -> str:
    """Return the text of the model card.

    Args:
        config: configuration of the model.
        tensors: our name -> stored tensor.
        overridden: our names of tensors that are also in RadFM's files and were taken from the main checkpoint.
        sources: checkpoint file -> its SHA-256. The card shows file names, not folders.

    Returns:
        The text as Markdown.
    """
    taken = Counter(tensor.file for tensor in tensors.values())
    dtypes = Counter(str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values())
    rows = [
        f"| {file.name} | {file.stat().st_size:,} | {taken[file]} | `{digest}` |" for file, digest in sources.items()
    ]
    parameters = sum(tensor.num_bytes // tensor.dtype.itemsize for tensor in tensors.values())
    lines = [
        f"# {config.name}: a converted Reg2RG checkpoint",
        "",
        f"Converted by `reg2rg models import` (reg2rg {__version__}) from the files below. The weights are unchanged. "
        f"{DRAFT_LABEL}",
        "",
        "| file | bytes | tensors used | SHA-256 |",
        "|---|---|---|---|",
        *rows,
        "",
        f"- {len(tensors)} tensors with {parameters:,} parameters, in their original types: "
        + ", ".join(f"{count} {name}" for name, count in dtypes.items())
        + ".",
        "- Tensor names are those of the published checkpoint with peft 0.7 or later. The word embeddings are stored "
        "once. Rotary buffers are omitted because they are computed.",
        "- Sizes in config.json were inferred from tensor shapes or given by the user. Differences from the published "
        "model: " + (", ".join(list_differences(config)) or "none") + ".",
    ]
    if overridden:
        lines.append(
            f"- {len(overridden)} tensors are also in RadFM's files. They were taken from the main checkpoint, which "
            "was trained further."
        )
    return "\n".join(lines) + "\n\n" + _TERMS
