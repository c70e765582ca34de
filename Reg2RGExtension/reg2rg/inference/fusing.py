"""Fuse weights before inference. Results are exact, but the model can no longer be trained, saved or moved.

LoRA products are added to the layers that they adapt. A patch embedding of several identical channels is reduced to a
single channel: the published model has three copies of its input, which remain identical after normalization, so the
channels can be summed in the weights. On the CPU, linear layers get oneDNN's memory layout.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn

from reg2rg.models.reg2rg import Reg2RG
from reg2rg.models.vision_transformer import Patchify, VisionTransformer


def fuse(model: Reg2RG) -> Reg2RG:
    """Fuse a model in place. Quantized layers keep their LoRA adapters separate.

    Returns:
        The same model.
    """
    encoder, word_embeddings = model.embedding_layer, model.lang_model.get_input_embeddings().weight
    _fuse_channels(encoder.vision_encoder)
    if not _is_quantized(model.lang_model):
        if model.config.language.lora is not None:
            model.lang_model = model.lang_model.merge_and_unload()
        pack_linears(model.lang_model, exclude=(word_embeddings,))
    if word_embeddings.dtype == torch.float32:  # with a 16-bit language model, vision weights are cast on the fly
        pack_linears(encoder)
    return model


class PackedLinear(nn.Module):
    """A linear layer for the CPU whose weights have oneDNN's memory layout.

    torch uses MKL for float32 products, which is slow for the few rows of a decoding step and on non-Intel processors,
    and reorders 16-bit weights on every call. oneDNN with its own layout is up to three times as fast (docs/speed.md).
    The operators are private to torch, so ``can_pack`` tries them first.
    """

    def __init__(self, linear: nn.Linear) -> None:
        """Reorder the weights of a linear layer."""
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self._weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())
        self._bias = None if linear.bias is None else linear.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output for inputs (..., in_features) of the weights' dtype."""
        return torch.ops.mkldnn._linear_pointwise(x.contiguous(), self._weight, self._bias, "none", [], "")


@functools.cache
def can_pack(dtype: torch.dtype) -> bool:
    """Return whether this machine and this version of torch can run PackedLinear, by trying a small layer."""
    if dtype not in (torch.float32, torch.bfloat16) or not torch.backends.mkldnn.is_available():
        return False
    linear = nn.Linear(16, 16, dtype=dtype)
    try:
        with torch.inference_mode():
            PackedLinear(linear)(torch.ones(1, 16, dtype=dtype))
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return False
    return True


def pack_linears(module: nn.Module, *, exclude: tuple[nn.Parameter, ...] = ()) -> None:
    """Replace the linear layers of a module with packed ones, if this machine can run them.

    Args:
        module: the module, changed in place.
        exclude: weights whose layers are left as they are.
    """
    names = [name for name, layer in module.named_modules() if _is_packable(layer, exclude)]
    for name in names:  # by name: a list of layers would keep each layer's memory until all are packed
        parent, _, attribute = name.rpartition(".")
        owner = module.get_submodule(parent)
        setattr(owner, attribute, PackedLinear(getattr(owner, attribute)))


def _is_packable(layer: nn.Module, exclude: tuple[nn.Parameter, ...]) -> bool:
    if type(layer) is not nn.Linear or any(layer.weight is weight for weight in exclude):
        return False
    return layer.weight.device.type == "cpu" and can_pack(layer.weight.dtype)


def _fuse_channels(vision: VisionTransformer) -> None:
    patchify = vision.to_patch_embedding[0]
    if not isinstance(patchify, Patchify) or patchify.channels == 1:
        return
    _, norm, linear, last_norm = vision.to_patch_embedding
    assert isinstance(norm, nn.LayerNorm) and isinstance(linear, nn.Linear)  # build_stem puts them after Patchify
    channels, size = patchify.channels, linear.in_features // patchify.channels
    weight = linear.weight.double()
    fused = nn.Linear(size, linear.out_features, device=linear.weight.device, dtype=linear.weight.dtype)
    with torch.no_grad():
        # The channel is the last axis of the flat patch. After normalization, all channels of a voxel are equal.
        fused.weight.copy_((weight * norm.weight.double()).reshape(-1, size, channels).sum(-1))
        fused.bias.copy_(linear.bias.double() + weight @ norm.bias.double())
    plain_norm = nn.LayerNorm(size, eps=norm.eps, elementwise_affine=False)
    vision.to_patch_embedding = nn.Sequential(Patchify(patchify.patch_size, 1), plain_norm, fused, last_norm)


def _is_quantized(module: nn.Module) -> bool:
    return any(not _is_plain(parameter) for parameter in module.parameters())


def _is_plain(parameter: Tensor) -> bool:
    return type(parameter.data) is Tensor and parameter.is_floating_point()
