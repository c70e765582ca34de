"""The published algorithm, written plainly as a baseline for measurements.

Float volumes of full size region by region, three equal channels, eleven calls of the vision transformer with attention
written out, a one-hot product for the prompt, LoRA beside its layers, one sequence drawn by transformers' ``generate``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk
import torch
import torch.nn.functional as F
from torch import Tensor

from reg2rg.models.reg2rg import PromptFeatures, Reg2RG
from reg2rg.models.vision_transformer import Attention, VisionTransformer
from reg2rg.preprocessing import ModelInputs
from reg2rg.segmentation.masks import RegionMasks


def preprocess(volume: sitk.Image, masks: RegionMasks, size: tuple[int, int, int] = (256, 256, 64)) -> ModelInputs:
    """Tensors as the published test data set makes them, but for their three equal channels, which encode() adds."""
    from monai.transforms import CropForeground, CropForegroundd, Resize, Resized

    names = masks.present
    image = torch.from_numpy(sitk.GetArrayFromImage(volume).T.astype(np.float32))[None]
    arrays = {name: torch.from_numpy(masks.array(name).T.astype(np.float32))[None] for name in names}

    def unit(hu: Tensor) -> Tensor:
        return ((hu.clamp(-1000, 200) + 400) / 600).repeat(3, 1, 1, 1)

    crop, resize = CropForeground(select_fn=lambda v: v > -1000, margin=0), Resize(size, mode="area")
    textures = {}
    for name, mask in arrays.items():
        region = image * mask
        region[mask == 0] = -1024
        textures[name] = torch.as_tensor(unit(resize(crop(region)))[0])
    data = {"image": image, "masks": torch.cat(list(arrays.values()))}
    data = CropForegroundd(keys=["image", "masks"], source_key="image", select_fn=lambda v: v > -1000, margin=0)(data)
    data = Resized(keys=["image", "masks"], spatial_size=size, mode="area")(data)
    whole = torch.as_tensor(unit(torch.as_tensor(data["image"]))[0])
    return ModelInputs(whole, textures, dict(zip(names, torch.as_tensor(data["masks"]), strict=True)), {})


def encode(model: Reg2RG, inputs: ModelInputs) -> PromptFeatures:
    """Tokens of the whole volume and of each region, one after another."""
    encoder = model.embedding_layer

    def tokens(volume: Tensor) -> Tensor:
        return encoder.fc(encoder.perceiver(_vision(encoder.vision_encoder, volume.expand(3, *volume.shape))))[0]

    image = tokens(inputs.image)
    regions = [
        torch.cat([tokens(texture), encoder.mask_fc(_vision(encoder.mask_encoder, mask[None]).mean(1))])
        for texture, mask in zip(inputs.textures.values(), inputs.masks.values(), strict=True)
    ]
    return PromptFeatures(image, torch.stack(regions))


def embed(model: Reg2RG, ids: Sequence[int], features: PromptFeatures) -> Tensor:
    """Input embeddings (1, N, width): the one-hot matrix of the ids times the table of all rows."""
    encoder = model.embedding_layer
    specials = [encoder.image_token_weight, encoder.region_token_weight, features.image, *features.regions]
    table = torch.cat([encoder.weight, *(rows.to(encoder.weight.dtype) for rows in specials)])
    return (F.one_hot(torch.tensor(ids), len(table)).to(table.dtype) @ table)[None]


def generate(model: Reg2RG, embeddings: Tensor, new_tokens: int) -> list[int]:
    """Exactly so many greedy tokens."""
    drawn = model.lang_model.generate(
        inputs_embeds=embeddings,
        max_new_tokens=new_tokens,
        min_new_tokens=new_tokens,
        do_sample=False,
        pad_token_id=0,
    )
    return drawn[0].tolist()


def _vision(vision: VisionTransformer, volume: Tensor) -> Tensor:
    """Tokens (1, N, dim) of a volume (channels, H, W, D)."""
    (p1, p2, p3), (c, h, w, d) = vision.patch_size, volume.shape
    patches = volume.reshape(c, h // p1, p1, w // p2, p2, d // p3, p3).permute(1, 3, 5, 2, 4, 6, 0)
    _, norm, linear, last_norm = vision.to_patch_embedding
    x = last_norm(linear(norm(patches.reshape(1, -1, p1 * p2 * p3 * c))))
    x = x + vision.positions(volume[None, 0])
    for attention, feed_forward in vision.transformer.layers:
        x = x + _attention(attention.fn, attention.norm(x))
        x = x + feed_forward(x)
    return x


def _attention(attention: Attention, x: Tensor) -> Tensor:
    b, n, _ = x.shape
    q, k, v = (t.reshape(b, n, attention.heads, -1).transpose(1, 2) for t in attention.to_qkv(x).chunk(3, dim=-1))
    weights = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)
    return attention.to_out((weights @ v).transpose(1, 2).reshape(b, n, -1))
