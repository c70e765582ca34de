"""Features: volumes and masks become tokens of the language model, in batches that fit memory, each of them once.

What has been encoded is kept by its content, so that after the correction of one segment only that region is encoded
again.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from reg2rg.errors import Cancelled
from reg2rg.models.config import ModelConfig, VisionConfig
from reg2rg.models.region_encoder import RegionEncoder
from reg2rg.preprocessing import ModelInputs

KEPT = 64
"""Encoded volumes and masks that are kept: those of three cases."""

CPU_BATCH_BYTES = 256 * 2**20
"""Memory of a batch on the CPU, where a larger one is not faster."""

Asked = Callable[[], bool]
Encoded = tuple[Tensor, dict[str, Tensor]]
"""Tokens of the whole volume, and of each region by its name."""


class FeatureEncoder:
    """A region encoder that remembers."""

    def __init__(self, encoder: RegionEncoder, config: ModelConfig) -> None:
        self._encoder = encoder
        self._config = config
        self._kept: OrderedDict[bytes, Tensor] = OrderedDict()

    def encode(self, inputs: ModelInputs, regions: Sequence[str], cancelled: Asked) -> Encoded:
        """Tokens of the whole volume (latents, width), and of each region (latents + 1, width).

        Raises Cancelled between batches when ``cancelled()`` says yes.
        """
        kind, device = self._encoder.weight.dtype, self._encoder.image_token_weight.device
        # Next to a 16-bit language model vision multiplies in 16 bits, too, as the published one did when it learned.
        with torch.autocast(device.type, kind, enabled=kind in (torch.float16, torch.bfloat16)):
            return self._encode(inputs, regions, cancelled)

    def _encode(self, inputs: ModelInputs, regions: Sequence[str], cancelled: Asked) -> Encoded:
        encoder = self._encoder
        volumes = [inputs.image, *(inputs.textures[name] for name in regions)]
        image, *textures = self._tokens(volumes, encoder.encode_volumes, self._config.vision, cancelled)
        masks = [inputs.masks[name] for name in regions]
        geometries = self._tokens(masks, encoder.encode_masks, self._config.mask, cancelled)
        return image, {n: torch.cat(pair) for n, *pair in zip(regions, textures, geometries, strict=True)}

    def _tokens(
        self, volumes: Sequence[Tensor], encode: Callable[[Tensor], Tensor], config: VisionConfig, cancelled: Asked
    ) -> list[Tensor]:
        keys = [_digest(volume, encode.__name__) for volume in volumes]
        new = {key: volume for key, volume in zip(keys, volumes, strict=True) if key not in self._kept}
        device = self._encoder.image_token_weight.device
        for batch in _batches(new, config, device):
            if cancelled():
                raise Cancelled("Cancelled while the regions were encoded.")
            encoded = encode(torch.stack([new[key] for key in batch]).to(device))
            self._kept.update(zip(batch, encoded, strict=True))
        for key in keys:
            self._kept.move_to_end(key)
        tokens = [self._kept[key] for key in keys]
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return tokens


def _digest(volume: Tensor, encoded_as: str) -> bytes:
    digest = hashlib.blake2b(f"{encoded_as} {tuple(volume.shape)}".encode(), digest_size=16)
    digest.update(volume.contiguous().numpy())
    return digest.digest()


def _batches(volumes: Mapping[bytes, Tensor], config: VisionConfig, device: torch.device) -> Iterable[list[bytes]]:
    """Keys of volumes of one shape, as many together as memory allows."""
    by_shape: dict[torch.Size, list[bytes]] = {}
    for key, volume in volumes.items():
        by_shape.setdefault(volume.shape, []).append(key)
    room = torch.cuda.mem_get_info(device)[0] // 2 if device.type == "cuda" else CPU_BATCH_BYTES
    for shape, keys in by_shape.items():
        size = max(1, int(room // _activation_bytes(shape, config)))
        yield from (keys[i : i + size] for i in range(0, len(keys), size))


def _activation_bytes(shape: torch.Size, config: VisionConfig) -> int:
    """About what encoding one volume takes at its peak: the volume thrice, and one block's widest tensors."""
    voxels = shape.numel()
    tokens = voxels // torch.Size(config.patch_size).numel()
    return 4 * (3 * voxels + tokens * (4 * config.dim + max(2 * config.mlp_dim, 4 * config.heads * config.dim_head)))
