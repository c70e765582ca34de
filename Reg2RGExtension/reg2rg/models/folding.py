"""Folding: what inference can work out beforehand. Exact algebra; the model can no longer be trained, saved or moved.

LoRA's products are added to the layers they adapt. The patch embedding of equal channels (the published one has three
copies of its input) becomes one of a single channel: normalising copies gives copies, so the sum over channels can be
taken in the weights. On the CPU, weights are laid out as their products want them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reg2rg.models.packed_linear import pack_linears
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.models.stems import Patchify
from reg2rg.models.vision_transformer import VisionTransformer


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
