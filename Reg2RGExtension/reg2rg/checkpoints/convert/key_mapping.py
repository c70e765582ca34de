"""Map tensor names from the authors' files, RadFM's files and older versions of peft to ours.

Our names are those of the published checkpoint with peft 0.7 or later.
"""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass

from reg2rg.checkpoints.assembly import ROTARY, TIED
from reg2rg.checkpoints.convert.tensor_files import StoredTensor
from reg2rg.errors import InputError

_REG2RG_PREFIXES = ("lang_model.", "embedding_layer.")
_RADFM_PREFIXES = {
    "to_patch_embedding.": "embedding_layer.vision_encoder.to_patch_embedding.",
    "pos_embedding.": "embedding_layer.vision_encoder.pos_embedding.",
    "transformer.": "embedding_layer.vision_encoder.transformer.",
    "perceiver.": "embedding_layer.perceiver.",
}


@dataclass(frozen=True)
class KeyMapping:
    """Mapping of stored tensors to tensors of the model.

    Attributes:
        tensors: our name -> stored tensor.
        tied: the second copy of the word embeddings; None if there is none.
        rotary: one of the rotary buffers; None if there are none.
        overridden: our names of tensors that are also in RadFM's files and were taken from the main checkpoint.
    """

    tensors: dict[str, StoredTensor]
    tied: StoredTensor | None
    rotary: StoredTensor | None
    overridden: list[str]


def map_keys(checkpoints: Sequence[Sequence[StoredTensor]]) -> KeyMapping:
    """Map the tensors of the main checkpoint, and those that it lacks from RadFM's files, to our names.

    Args:
        checkpoints: the tensors of each checkpoint, in any order.

    Returns:
        The mapping. Unknown names are kept.

    Raises:
        InputError: two checkpoints contain the same tensor.
    """
    main: dict[str, StoredTensor] = {}
    radfm: dict[str, StoredTensor] = {}
    rotary = None
    for checkpoint in checkpoints:
        names = {tensor.name.removeprefix("module.") for tensor in checkpoint}
        is_main = any(name.startswith(_REG2RG_PREFIXES) for name in names)
        for tensor in checkpoint:
            name = tensor.name.removeprefix("module.")
            if name.endswith(ROTARY):
                rotary = tensor
            elif is_main:
                _add(main, _map_peft_name(name, names), tensor)
            elif not name.startswith("fc."):
                _add(radfm, _map_radfm_name(name), tensor)
    main, tied = _separate_tied(main)
    return KeyMapping({**radfm, **main}, tied, rotary, sorted(radfm.keys() & main.keys()))


def _add(known: dict[str, StoredTensor], name: str, tensor: StoredTensor) -> None:
    if name in known:
        raise InputError(f"{known[name].file} and {tensor.file} both contain {name}; leave one of them out.")
    known[name] = tensor


def _map_peft_name(name: str, names: Set[str]) -> str:
    """Return the name used since peft 0.7, which calls adapters "default" and the layers they adapt "base_layer"."""
    name = re.sub(r"\.(lora_[AB])\.weight$", r".\1.default.weight", name)
    layer = name.removesuffix(".weight")
    adapted = any(f"{layer}.{adapter}" in names for adapter in ("lora_A.weight", "lora_A.default.weight"))
    return f"{layer}.base_layer.weight" if adapted else name


def _map_radfm_name(name: str) -> str:
    for prefix, ours in _RADFM_PREFIXES.items():
        if name.startswith(prefix):
            return ours + name.removeprefix(prefix)
    return name


def _separate_tied(tensors: dict[str, StoredTensor]) -> tuple[dict[str, StoredTensor], StoredTensor | None]:
    """Keep the word embeddings once, under the language model's name; return the others and the second copy."""
    if TIED not in tensors:
        return tensors, None
    tied = tensors[TIED]
    others = {name: tensor for name, tensor in tensors.items() if name != TIED}
    norm = next((name for name in others if re.match(r"lang_model\.[\w.]*model\.norm\.weight$", name)), None)
    embeddings = norm.replace("norm.weight", "embed_tokens.weight") if norm else TIED
    if embeddings in others:
        return others, tied
    return {**others, embeddings: tied}, None
