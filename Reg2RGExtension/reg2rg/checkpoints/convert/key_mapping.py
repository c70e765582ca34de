"""The names of tensors in the authors' files, in RadFM's, and with older versions of peft (reference A.2)."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass

from reg2rg.checkpoints.assembly import TIED
from reg2rg.checkpoints.convert.tensor_files import Stored
from reg2rg.errors import InputError

ROTARY = "rotary_emb.inv_freq"
"""End of the names of buffers that old checkpoints store and that are computed, not learned."""

_OWN = ("lang_model.", "embedding_layer.")
_RADFM = {
    "to_patch_embedding.": "embedding_layer.vision_encoder.to_patch_embedding.",
    "pos_embedding.": "embedding_layer.vision_encoder.pos_embedding.",
    "transformer.": "embedding_layer.vision_encoder.transformer.",
    "perceiver.": "embedding_layer.perceiver.",
}


@dataclass(frozen=True)
class Assignment:
    """Which stored tensor becomes which of ours.

    Attributes:
        tensors: our name -> tensor.
        tied: the second copy of the word embeddings, if there is one.
        rotary: one of the rotary buffers, if there are any.
        overruled: our names of the tensors that RadFM's files hold, too, and that were taken from the main checkpoint.
    """

    tensors: dict[str, Stored]
    tied: Stored | None
    rotary: Stored | None
    overruled: list[str]


def assign_names(checkpoints: Sequence[Sequence[Stored]]) -> Assignment:
    """Match the tensors of the main checkpoint and, for what it lacks, of RadFM's files with our names.

    Names that match nothing stay as they are. InputError if a tensor is there twice.
    """
    main: dict[str, Stored] = {}
    radfm: dict[str, Stored] = {}
    rotary = None
    for checkpoint in checkpoints:
        names = {tensor.name.removeprefix("module.") for tensor in checkpoint}
        is_main = any(name.startswith(_OWN) for name in names)
        for tensor in checkpoint:
            name = tensor.name.removeprefix("module.")
            if name.endswith(ROTARY):
                rotary = tensor
            elif is_main:
                _add(main, _with_lora(name, names), tensor)
            elif not name.startswith("fc."):
                _add(radfm, _from_radfm(name), tensor)
    main, tied = _untied(main)
    return Assignment({**radfm, **main}, tied, rotary, sorted(radfm.keys() & main.keys()))


def _add(known: dict[str, Stored], name: str, tensor: Stored) -> None:
    if name in known:
        raise InputError(f"{name} is there twice, in {known[name].file} and in {tensor.file}; leave one of them out.")
    known[name] = tensor


def _with_lora(name: str, names: Set[str]) -> str:
    """The name that peft 0.7 and later give it: adapters are called "default", what they adapt is the base layer."""
    name = re.sub(r"\.(lora_[AB])\.weight$", r".\1.default.weight", name)
    layer = name.removesuffix(".weight")
    adapted = any(f"{layer}.{adapter}" in names for adapter in ("lora_A.weight", "lora_A.default.weight"))
    return f"{layer}.base_layer.weight" if adapted else name


def _from_radfm(name: str) -> str:
    for prefix, ours in _RADFM.items():
        if name.startswith(prefix):
            return ours + name.removeprefix(prefix)
    return name


def _untied(tensors: dict[str, Stored]) -> tuple[dict[str, Stored], Stored | None]:
    """Keep the word embeddings once, under the language model's name."""
    if TIED not in tensors:
        return tensors, None
    tied = tensors[TIED]
    rest = {name: tensor for name, tensor in tensors.items() if name != TIED}
    norm = next((name for name in rest if re.match(r"lang_model\.[\w.]*model\.norm\.weight$", name)), None)
    embeddings = norm.replace("norm.weight", "embed_tokens.weight") if norm else TIED
    if embeddings in rest:
        return rest, tied
    return {**rest, embeddings: tied}, None
