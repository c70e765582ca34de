"""Build a model from stored tensors one by one, placing each on its final device in its final precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import Tensor, nn

from reg2rg.errors import InputError
from reg2rg.models.config import ModelConfig
from reg2rg.models.language_model import rebuild_rotary_tables
from reg2rg.models.precision import QUANTIZED, check_precision
from reg2rg.models.quantization import compute_dtype, quantizable_layers, quantize_linear
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.runtime.state_dict import Shape, list_misfits, refuse_misfits

_CONTRADICTIONS = (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError)
"""What torch and transformers raise for sizes that do not fit each other."""

TIED = "embedding_layer.weight"
"""The region encoder's name for the word embeddings, which belong to the language model."""

ROTARY = "rotary_emb.inv_freq"
"""Suffix of buffers that old checkpoints store although they are computed, not learned."""


def assemble(
    config: ModelConfig,
    shapes: Mapping[str, Shape],
    read: Callable[[str], Tensor],
    device: str = "cpu",
    precision: str = "fp32",
) -> Reg2RG:
    """Build a model from stored tensors.

    The model is created on the meta device, so only one copy of the weights is in memory. Rotary buffers of old
    checkpoints are ignored.

    Args:
        config: configuration of the model.
        shapes: published tensor name -> shape of the stored tensor.
        read: function that returns a tensor by its name; called once per tensor.
        device: torch device.
        precision: precision of the language model; the vision side is always float32.

    Returns:
        The model, in training mode and without a tokenizer.

    Raises:
        InputError: tensors are missing, unexpected or of the wrong shape, or the precision is not available.
    """
    check_precision(precision, device)
    model = empty_model(config)
    ignored = shared_names(model)
    given = {name: shape for name, shape in shapes.items() if name not in ignored and not name.endswith(ROTARY)}
    refuse_misfits(list_misfits(expected_shapes(model), given))
    dtype = compute_dtype(precision, device)
    layers = {}
    if precision in QUANTIZED:
        layers = {f"lang_model.{name}.weight": layer for name, layer in quantizable_layers(model.lang_model).items()}
    state = model.state_dict(keep_vars=True)
    for name in given:
        if name in layers:
            layer = quantize_linear(layers[name], read(name), precision, dtype, device)
            _set(model, name.removesuffix(".weight"), layer)
        else:
            own = dtype if name.startswith("lang_model.") else torch.float32
            tensor = read(name).detach().to(device, own, copy=True)  # a copy, so that the file can be closed
            if isinstance(state[name], nn.Parameter):
                tensor = nn.Parameter(tensor, requires_grad=state[name].requires_grad)
            _set(model, name, tensor)
    head = model.lang_model.get_output_embeddings()
    if config.language.tie_word_embeddings:
        head.weight = model.lang_model.get_input_embeddings().weight
    head.register_forward_pre_hook(_make_contiguous)
    model.tie_word_embeddings()
    rebuild_rotary_tables(model.lang_model, config.language, device)
    return model


def empty_model(config: ModelConfig) -> Reg2RG:
    """Create a model on the meta device: it has names and shapes, but no values.

    Raises:
        InputError: the fields of the config contradict each other.
    """
    try:
        with torch.device("meta"):
            return Reg2RG(config)
    except (StrictDataclassError, *_CONTRADICTIONS) as error:
        raise InputError(f"The config of {config.name} does not describe a valid model ({error}).") from error


def expected_shapes(model: Reg2RG) -> dict[str, Shape]:
    """Return name -> shape of every tensor that a model folder stores. Shared tensors appear once."""
    ignored = shared_names(model)
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items() if name not in ignored}


def shared_names(model: Reg2RG) -> set[str]:
    """Return the names under which the state dict repeats the word embeddings."""
    names = {TIED}
    if model.config.language.tie_word_embeddings:
        head = model.lang_model.get_output_embeddings()
        names |= {f"lang_model.{name}.weight" for name, module in model.lang_model.named_modules() if module is head}
    return names


def _set(model: nn.Module, name: str, value: nn.Module | Tensor) -> None:
    path, _, attribute = name.rpartition(".")
    setattr(model.get_submodule(path), attribute, value)


def _make_contiguous(head: nn.Module, arguments: tuple[Tensor]) -> tuple[Tensor]:
    """Make the output head's input contiguous.

    The last position of a batch is a strided view, for which torch would copy a 16-bit head once per sequence.
    """
    return (arguments[0].contiguous(),)
