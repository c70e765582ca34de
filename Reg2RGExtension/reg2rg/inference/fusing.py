"""Folding: what inference can work out beforehand. Exact algebra; the model can no longer be trained, saved or moved.

LoRA's products are added to the layers they adapt. The patch embedding of equal channels (the published one has three
copies of its input) becomes one of a single channel: normalising copies gives copies, so the sum over channels can be
taken in the weights. On the CPU, weights are laid out as their products want them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reg2rg.models.reg2rg import Reg2RG
from reg2rg.models.vision_transformer import Patchify, VisionTransformer

_TYPES = (torch.float32, torch.bfloat16)


class PackedLinear(nn.Module):
    """What a Linear computes, for inputs of its weights' type. It cannot be trained, saved or moved."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self._weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach())
        self._bias = None if linear.bias is None else linear.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(x.contiguous(), self._weight, self._bias, "none", [], "")


def pack_linears(module: nn.Module, *, besides: tuple[nn.Parameter, ...] = ()) -> None:
    """Replace the Linear layers inside a module, where oneDNN is there; those of the weights ``besides`` stay."""
    if not torch.backends.mkldnn.is_available():
        return
    names = [name for name, layer in module.named_modules() if _can_be_packed(layer, besides)]
    for name in names:  # no list of layers: each is to give its memory back before the next is packed
        parent, _, attribute = name.rpartition(".")
        owner = module.get_submodule(parent)
        setattr(owner, attribute, PackedLinear(getattr(owner, attribute)))


def _can_be_packed(layer: nn.Module, besides: tuple[nn.Parameter, ...]) -> bool:
    if type(layer) is not nn.Linear or any(layer.weight is weight for weight in besides):
        return False
    return layer.weight.device.type == "cpu" and layer.weight.dtype in _TYPES


def fold(model: Reg2RG) -> Reg2RG:
    """The same model, changed in place, that computes the same with less. Quantized layers keep their LoRA beside."""
    encoder, words = model.embedding_layer, model.lang_model.get_input_embeddings().weight
    _fold_channels(encoder.vision_encoder)
    if not _quantized(model.lang_model):
        if model.config.language.lora is not None:
            model.lang_model = model.lang_model.merge_and_unload()
        pack_linears(model.lang_model, besides=(words,))
    if words.dtype == torch.float32:  # next to a 16-bit language model, vision's weights change their type as they go
        pack_linears(encoder)
    return model


def _fold_channels(vision: VisionTransformer) -> None:
    patchify = vision.to_patch_embedding[0]
    if not isinstance(patchify, Patchify) or patchify.channels == 1:
        return
    _, norm, linear, last_norm = vision.to_patch_embedding
    channels, size = patchify.channels, linear.in_features // patchify.channels
    weight = linear.weight.double()
    folded = nn.Linear(size, linear.out_features, device=linear.weight.device, dtype=linear.weight.dtype)
    with torch.no_grad():
        # The last axis of the flat patch is the channel; normalised, all channels of a voxel are equal.
        folded.weight.copy_((weight * norm.weight.double()).reshape(-1, size, channels).sum(-1))
        folded.bias.copy_(linear.bias.double() + weight @ norm.bias.double())
    plain_norm = nn.LayerNorm(size, eps=norm.eps, elementwise_affine=False)
    vision.to_patch_embedding = nn.Sequential(Patchify(patchify.patch_size, 1), plain_norm, folded, last_norm)


def _quantized(module: nn.Module) -> bool:
    return any(not _plain(parameter) for parameter in module.parameters())


def _plain(parameter: Tensor) -> bool:
    return type(parameter.data) is Tensor and parameter.is_floating_point()
