"""A model put together from stored tensors, one by one, each in the precision and on the device it is to have."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from reg2rg.models.config import ModelConfig
from reg2rg.models.fit import Shape, list_misfits, refuse_misfits
from reg2rg.models.language_model import rebuild_rotary_tables
from reg2rg.models.precision import QUANTIZED, check_precision, compute_dtype, quantizable_layers, quantized
from reg2rg.models.reg2rg import Reg2RG

TIED = "embedding_layer.weight"
"""The word embeddings' second name in the published state dict."""


def assemble(
    config: ModelConfig,
    shapes: Mapping[str, Shape],
    read: Callable[[str], Tensor],
    device: str = "cpu",
    precision: str = "fp32",
) -> Reg2RG:
    """A model of this config holding the tensors of these shapes, named as published.

    Built on the meta device, so memory holds the weights once. Rotary buffers of old checkpoints are left out: they are
    computed, not learned.

    Args:
        read: gives a tensor by its name, once each, in any type.
        precision: of the language model; the vision side is float32.

    Raises:
        InputError: names of tensors that are missing, superfluous or of another shape; or an impossible precision.
    """
    check_precision(precision, device)
    with torch.device("meta"):
        model = Reg2RG(config)
    wanted = dict(model.named_parameters())  # names each shared parameter once: by the language model's input
    given = {name: shape for name, shape in shapes.items() if not name.endswith("rotary_emb.inv_freq")}
    tied = _second_names(model) if config.language.tie_word_embeddings else set()
    refuse_misfits(_misfits({n: tuple(p.shape) for n, p in wanted.items()}, given, optional={TIED} | tied))
    dtype = compute_dtype(precision, device)
    layers = quantizable_layers(model.lang_model) if precision in QUANTIZED else {}
    for name in wanted:
        path, _, kind = name.removeprefix("lang_model.").rpartition(".")
        if kind == "weight" and name.startswith("lang_model.") and path in layers:
            parent, _, attribute = path.rpartition(".")
            layer = quantized(layers[path], read(name), precision, dtype, device)
            setattr(model.lang_model.get_submodule(parent), attribute, layer)
        else:
            _place(model, name, read(name), device, dtype if name.startswith("lang_model.") else torch.float32)
    head = model.lang_model.get_output_embeddings()
    if config.language.tie_word_embeddings:
        head.weight = model.lang_model.get_input_embeddings().weight
    head.register_forward_pre_hook(_contiguous)
    model.tie_word_embeddings()
    rebuild_rotary_tables(model.lang_model, config.language, device)
    return model


def _place(model: nn.Module, name: str, tensor: Tensor, device: str, dtype: torch.dtype) -> None:
    """Put a tensor where the meta model has a parameter of that name; the model owns the memory, not the file."""
    path, _, attribute = name.rpartition(".")
    owner = model.get_submodule(path)
    trained = getattr(owner, attribute).requires_grad
    setattr(owner, attribute, nn.Parameter(tensor.detach().to(device, dtype, copy=True), requires_grad=trained))


def _contiguous(head: nn.Module, arguments: tuple[Tensor]) -> tuple[Tensor]:
    """The last position of a batch is no contiguous tensor: torch would copy a 16-bit head once a sequence for it."""
    return (arguments[0].contiguous(),)


def _second_names(model: Reg2RG) -> set[str]:
    """Names of the output head, where it is the word embeddings."""
    head = model.lang_model.get_output_embeddings()
    return {f"lang_model.{name}.weight" for name, module in model.lang_model.named_modules() if module is head}


def _misfits(expected: Mapping[str, Shape], given: Mapping[str, Shape], optional: set[str]) -> list[str]:
    """Misfits, where tensors of the ``optional`` names may be there or not."""
    kept = {name: shape for name, shape in given.items() if name in expected or name not in optional}
    needed = {name: shape for name, shape in expected.items() if name in given or name not in optional}
    return list_misfits(needed, kept)
