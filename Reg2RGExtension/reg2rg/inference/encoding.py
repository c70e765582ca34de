"""Features: volumes and masks become tokens of the language model, in batches that fit memory, each of them once.

What has been encoded is kept by its content, so that after the correction of one segment only that region is encoded
again.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from reg2rg.errors import Cancelled
from reg2rg.inference.detection import SeenRegion, corrected, seen_regions
from reg2rg.models.config import ModelConfig, VisionConfig
from reg2rg.models.cue_encoder import Cues
from reg2rg.models.region_encoder import RegionEncoder
from reg2rg.preprocessing import ModelInputs
from reg2rg.runtime.callbacks import ShouldCancel

KEPT = 64
"""Encoded volumes and masks that are kept: those of three cases."""

CPU_BATCH_BYTES = 256 * 2**20
"""Memory of a batch on the CPU, where a larger one is not faster."""

Encoded = tuple[Tensor, dict[str, Tensor]]
"""Tokens of the whole volume, and of each region by its name."""
Said = Mapping[str, Mapping[str, bool]]
"""Region -> label -> whether it is there: what a user corrected."""


class FeatureEncoder:
    """A region encoder that remembers."""

    def __init__(self, encoder: RegionEncoder, config: ModelConfig) -> None:
        self._encoder = encoder
        self._config = config
        self._kept: OrderedDict[bytes, Any] = OrderedDict()

    def encode(
        self,
        inputs: ModelInputs,
        regions: Sequence[str],
        should_cancel: ShouldCancel,
        said: Said = MappingProxyType({}),
        *,
        cues: bool = True,
    ) -> Encoded:
        """Tokens of the whole volume (latents, width), and of each region (latents + 1 + cues, width).

        Args:
            said: findings that the cues must tell of, whatever the finding head saw.
            cues: tell the language model what the finding head saw; if False, nothing of a region of which nothing was
                said.

        Raises Cancelled between batches when ``cancelled()`` says yes.
        """
        with self._computing():
            (image,) = self._once([inputs.image], self._encoder.encode_volumes, self._config.vision, should_cancel)
            masks = [inputs.masks[name] for name in regions]
            geometries = self._once(masks, self._encoder.encode_masks, self._config.mask, should_cancel)
            textures = self._regions(inputs, regions, should_cancel)
            tokens = {}
            for name, geometry, (latents, seen) in zip(regions, geometries, textures, strict=True):
                told = [] if seen is None else [self._told(seen.cues, said.get(name, {}), cues)]
                tokens[name] = torch.cat([latents, geometry, *told])
            return image, tokens

    def look(self, inputs: ModelInputs, regions: Sequence[str], should_cancel: ShouldCancel) -> dict[str, SeenRegion]:
        """What the finding head sees in each region; empty without one."""
        if self._encoder.finding_head is None:
            return {}
        with self._computing():
            looked = self._regions(inputs, regions, should_cancel)
        return {name: seen for name, (_, seen) in zip(regions, looked, strict=True)}

    def _computing(self) -> AbstractContextManager:
        kind, device = self._encoder.weight.dtype, self._encoder.image_token_weight.device
        # Next to a 16-bit language model vision multiplies in 16 bits, too, as the published one did when it learned.
        return torch.autocast(device.type, kind, enabled=kind in (torch.float16, torch.bfloat16))

    def _told(self, cues: Cues, said: Mapping[str, bool], all_cues: bool) -> Tensor:
        """Cue tokens (cues, width) of one region; none are (0, width)."""
        encoder, config = self._encoder.cue_encoder, self._config.findings
        if encoder is None:
            return self._encoder.image_token_weight[:0]
        if not all_cues and not said:
            return encoder.null_cues(1)[0]
        return encoder(corrected(config, cues, said))[0]

    def _regions(
        self, inputs: ModelInputs, regions: Sequence[str], should_cancel: ShouldCancel
    ) -> list[tuple[Tensor, SeenRegion | None]]:
        """Latents of regions in the language model's width, and what the finding head sees in them."""
        textures = [inputs.textures[name] for name in regions]
        if self._encoder.finding_head is None:
            encoded = self._once(textures, self._encoder.encode_volumes, self._config.vision, should_cancel)
            return [(latents, None) for latents in encoded]
        voxels = [torch.tensor(inputs.crops[name].voxel_mm) for name in regions]
        return self._once(textures, self._look, self._config.vision, should_cancel, voxels)

    def _look(self, textures: Tensor, voxel_mm: Tensor) -> list[tuple[Tensor, SeenRegion]]:
        encoder = self._encoder
        output = encoder.detect_findings(textures, voxel_mm)
        latents = encoder.fc(encoder.latents(textures, output.tokens))
        grid = encoder.vision_encoder.grid(textures)
        return list(zip(latents, seen_regions(encoder.finding_head, output, grid), strict=True))

    def _once(
        self,
        volumes: Sequence[Tensor],
        encode: Callable[..., Sequence[Any]],
        config: VisionConfig,
        should_cancel: ShouldCancel,
        sizes: Sequence[Tensor] = (),
    ) -> list[Any]:
        """What ``encode`` makes of each volume (and its voxel sizes), computed for those alone that are new."""
        given = list(zip(volumes, sizes, strict=True)) if sizes else [(volume,) for volume in volumes]
        keys = [_digest(arguments, encode.__name__) for arguments in given]
        new = {key: arguments for key, arguments in zip(keys, given, strict=True) if key not in self._kept}
        device = self._encoder.image_token_weight.device
        for batch in _batches({key: arguments[0] for key, arguments in new.items()}, config, device):
            if should_cancel():
                raise Cancelled("Cancelled while the regions were encoded.")
            columns = zip(*(new[key] for key in batch), strict=True)
            encoded = encode(*(torch.stack(column).to(device) for column in columns))
            self._kept.update(zip(batch, encoded, strict=True))
        for key in keys:
            self._kept.move_to_end(key)
        results = [self._kept[key] for key in keys]
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return results


def _digest(tensors: Sequence[Tensor], encoded_as: str) -> bytes:
    digest = hashlib.blake2b(f"{encoded_as} {[tuple(t.shape) for t in tensors]}".encode(), digest_size=16)
    for tensor in tensors:
        digest.update(tensor.contiguous().numpy())
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
