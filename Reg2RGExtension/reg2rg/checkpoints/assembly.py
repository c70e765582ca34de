"""A model put together from stored tensors, one by one, each in the precision and on the device it is to have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from reg2rg.errors import InputError
from reg2rg.models.config import ModelConfig
from reg2rg.models.language_model import rebuild_rotary_tables
from reg2rg.models.quantization import QUANTIZED, check_precision, compute_dtype, quantizable_layers, quantized
from reg2rg.models.reg2rg import Reg2RG

Shape = Sequence[int]

_SHOWN = 5


def list_misfits(expected: Mapping[str, Shape], given: Mapping[str, Shape]) -> list[str]:
    """One phrase for each tensor that does not fit, from name -> shape of both; empty if all do."""
    misfits = [f"{name} is missing" for name in sorted(expected.keys() - given.keys())]
    misfits += [f"{name} is not part of the model" for name in sorted(given.keys() - expected.keys())]
    misfits += [
        f"{name} has shape {tuple(given[name])}, expected {tuple(expected[name])}"
        for name in sorted(expected.keys() & given.keys())
        if tuple(given[name]) != tuple(expected[name])
    ]
    return misfits


def refuse_misfits(misfits: Sequence[str], *, see_all: str = "") -> None:
    """InputError with the first few if there are any; ``see_all`` says how to see the rest."""
    if misfits:
        more = f" and {len(misfits) - _SHOWN} more{see_all}" if len(misfits) > _SHOWN else ""
        raise InputError(f"The weights do not fit the model's config: {'; '.join(misfits[:_SHOWN])}{more}.")


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
    twice = {TIED} | (_second_names(model) if config.language.tie_word_embeddings else set())
    given = {name: shape for name, shape in given.items() if name not in twice}
    refuse_misfits(list_misfits({name: parameter.shape for name, parameter in wanted.items()}, given))
    dtype = compute_dtype(precision, device)
    layers = {}
    if precision in QUANTIZED:
        layers = {f"lang_model.{name}.weight": layer for name, layer in quantizable_layers(model.lang_model).items()}
    for name in wanted:
        if name in layers:
            layer = quantized(layers[name], read(name), precision, dtype, device)
            _set(model, name.removesuffix(".weight"), layer)
        else:
            own = dtype if name.startswith("lang_model.") else torch.float32
            tensor = read(name).detach().to(device, own, copy=True)  # ours, not the file's
            _set(model, name, nn.Parameter(tensor, requires_grad=wanted[name].requires_grad))
    head = model.lang_model.get_output_embeddings()
    if config.language.tie_word_embeddings:
        head.weight = model.lang_model.get_input_embeddings().weight
    head.register_forward_pre_hook(_contiguous)
    model.tie_word_embeddings()
    rebuild_rotary_tables(model.lang_model, config.language, device)
    return model


def _set(model: nn.Module, name: str, part: nn.Module | nn.Parameter) -> None:
    path, _, attribute = name.rpartition(".")
    setattr(model.get_submodule(path), attribute, part)


def _contiguous(head: nn.Module, arguments: tuple[Tensor]) -> tuple[Tensor]:
    """The last position of a batch is no contiguous tensor: torch would copy a 16-bit head once a sequence for it."""
    return (arguments[0].contiguous(),)


def _second_names(model: Reg2RG) -> set[str]:
    """Names of the output head, where it is the word embeddings."""
    head = model.lang_model.get_output_embeddings()
    return {f"lang_model.{name}.weight" for name, module in model.lang_model.named_modules() if module is head}
