"""Folding: weights that inference can add up beforehand. Exact algebra; the model can no longer be trained or saved.

LoRA's products are added to the layers they adapt. The patch embedding of equal channels (the published one has three
copies of its input) becomes one of a single channel: normalising copies gives copies, so the sum over channels can be
taken in the weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reg2rg.models.reg2rg import Reg2RG
from reg2rg.models.vision_transformer import Patchify, VisionTransformer


def fold(model: Reg2RG) -> Reg2RG:
    """The same model, changed in place, that computes the same with less. Quantized layers keep their LoRA beside."""
    if model.config.language.lora is not None and not _quantized(model.lang_model):
        model.lang_model = model.lang_model.merge_and_unload()
    _fold_channels(model.embedding_layer.vision_encoder)
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
