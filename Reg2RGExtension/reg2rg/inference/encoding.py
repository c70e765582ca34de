"""Encode volumes and masks as tokens of the language model, in batches that fit in memory.

Encoded tensors are cached by content. After a segment has been corrected, only its region is encoded again.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from reg2rg.errors import Cancelled
from reg2rg.inference.detection import (
    DetectedRegion,
    RegionDetection,
    apply_corrections,
    detect_findings,
    recalibrate,
    select_cues,
)
from reg2rg.models.config import ModelConfig, VisionConfig
from reg2rg.models.cue_encoder import Cues
from reg2rg.models.region_encoder import RegionEncoder
from reg2rg.preprocessing import ModelInputs
from reg2rg.regions import Corrections
from reg2rg.runtime.callbacks import ShouldCancel, never_cancel

CACHE_SIZE = 64
"""Number of encoded volumes and masks to keep; enough for three cases."""

CPU_BATCH_BYTES = 256 * 2**20
"""Memory to use for a batch on the CPU, where larger batches are not faster."""

NO_CORRECTIONS: Corrections = MappingProxyType({})


class FeatureEncoder:
    """A region encoder with a cache."""

    def __init__(self, encoder: RegionEncoder, config: ModelConfig) -> None:
        self._encoder = encoder
        self._config = config
        self._cache: OrderedDict[bytes, Any] = OrderedDict()

    def encode(
        self,
        inputs: ModelInputs,
        regions: Sequence[str],
        should_cancel: ShouldCancel = never_cancel,
        corrections: Corrections = NO_CORRECTIONS,
        *,
        use_cues: bool = True,
        supported: Collection[str] | None = None,
        logit_scale: float = 1.0,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Encode the whole volume and some of its regions.

        Args:
            inputs: the volume's tensors.
            regions: names of the regions to encode.
            should_cancel: checked between batches.
            corrections: a reviewer's corrections. In the cues, they override what the finding head detects.
            use_cues: whether to pass the finding head's findings to the language model. If False, only regions with
                corrections get cues.
            supported: labels of the findings to pass; None for all.
            logit_scale: factor of the logits of the findings' probabilities.

        Returns:
            Tokens of the whole volume, (latents, width), and of each region, (latents + 1 + cues, width).

        Raises:
            Cancelled: ``should_cancel`` returned True.
        """
        with self._autocast():
            (image,) = self._cached([inputs.image], self._encoder.encode_volumes, self._config.vision, should_cancel)
            masks = [inputs.masks[name] for name in regions]
            geometries = self._cached(masks, self._encoder.encode_masks, self._config.mask, should_cancel)
            textures = self._encode_textures(inputs, regions, should_cancel)
            tokens = {}
            for name, geometry, (latents, detection) in zip(regions, geometries, textures, strict=True):
                parts = [latents, geometry]
                if detection is not None:
                    cues = recalibrate(detection, logit_scale).cues
                    if supported is not None and self._config.findings is not None:
                        cues = select_cues(self._config.findings, cues, supported)
                    parts.append(self._cue_tokens(cues, corrections.get(name, {}), use_cues))
                tokens[name] = torch.cat(parts)
            return image, tokens

    def detect(
        self,
        inputs: ModelInputs,
        regions: Sequence[str],
        should_cancel: ShouldCancel = never_cancel,
        logit_scale: float = 1.0,
    ) -> dict[str, DetectedRegion]:
        """Return what the finding head detects in each region. Empty if the model has no finding head.

        Args:
            inputs: the volume's tensors.
            regions: names of the regions to examine.
            should_cancel: checked between batches.
            logit_scale: factor of the logits of the findings' probabilities.

        Raises:
            Cancelled: ``should_cancel`` returned True.
        """
        detections = self._detections(inputs, regions, should_cancel)
        return {name: recalibrate(each, logit_scale).detected for name, each in detections.items()}

    def mean_tokens(
        self, inputs: ModelInputs, regions: Sequence[str], should_cancel: ShouldCancel = never_cancel
    ) -> dict[str, Tensor]:
        """Return the mean of each region's vision tokens, (dim,). Empty if the model has no finding head.

        Args:
            inputs: the volume's tensors.
            regions: names of the regions.
            should_cancel: checked between batches.

        Raises:
            Cancelled: ``should_cancel`` returned True.
        """
        return {name: each.mean_token for name, each in self._detections(inputs, regions, should_cancel).items()}

    def _detections(
        self, inputs: ModelInputs, regions: Sequence[str], should_cancel: ShouldCancel
    ) -> dict[str, RegionDetection]:
        if self._encoder.finding_head is None:
            return {}
        with self._autocast():
            encoded = self._encode_textures(inputs, regions, should_cancel)
        return {name: detection for name, (_, detection) in zip(regions, encoded, strict=True) if detection is not None}

    def _autocast(self) -> AbstractContextManager[Any]:
        dtype, device = self._encoder.weight.dtype, self._encoder.image_token_weight.device
        # With a 16-bit language model, the vision side multiplies in 16 bits, too, as it did in the published training.
        return torch.autocast(device.type, dtype, enabled=dtype in (torch.float16, torch.bfloat16))

    def _cue_tokens(self, cues: Cues, corrections: Mapping[str, bool], use_cues: bool) -> Tensor:
        """Return the cue tokens of one region, (cues, width); (0, width) if the model takes no cues."""
        encoder, config = self._encoder.cue_encoder, self._config.findings
        if encoder is None or config is None:
            return self._encoder.image_token_weight[:0]
        if not use_cues and not corrections:
            return encoder.null_cues(1)[0]
        return encoder(apply_corrections(config, cues, corrections))[0]

    def _encode_textures(
        self, inputs: ModelInputs, regions: Sequence[str], should_cancel: ShouldCancel
    ) -> list[tuple[Tensor, RegionDetection | None]]:
        """Return the latents of each region in the language model's width, and what is detected in it."""
        textures = [inputs.textures[name] for name in regions]
        if self._encoder.finding_head is None:
            latents = self._cached(textures, self._encoder.encode_volumes, self._config.vision, should_cancel)
            return [(each, None) for each in latents]
        voxels = [torch.tensor(inputs.crops[name].voxel_mm) for name in regions]
        unknown = torch.zeros(len(self._config.scalars), 2)
        scalars = [inputs.scalars.get(name, unknown) for name in regions]
        details = list(zip(voxels, scalars, strict=True))
        return self._cached(textures, self._encode_and_detect, self._config.vision, should_cancel, details)

    def _encode_and_detect(
        self, textures: Tensor, voxel_mm: Tensor, scalars: Tensor
    ) -> list[tuple[Tensor, RegionDetection]]:
        encoder = self._encoder
        assert encoder.finding_head is not None
        output = encoder.detect_findings(textures, voxel_mm, scalars)
        latents = encoder.fc(encoder.latents(textures, output.tokens))
        grid = encoder.vision_encoder.grid(textures)
        return list(zip(latents, detect_findings(encoder.finding_head, output, grid), strict=True))

    def _cached(
        self,
        volumes: Sequence[Tensor],
        encode: Callable[..., Iterable[Any]],
        config: VisionConfig,
        should_cancel: ShouldCancel,
        details: Sequence[tuple[Tensor, ...]] = (),
    ) -> list[Any]:
        """Apply ``encode`` to each volume (and its details) that is not in the cache; return all results."""
        arguments = [(volume, *detail) for volume, detail in zip(volumes, details or [()] * len(volumes), strict=True)]
        keys = [_digest(each, encode.__name__) for each in arguments]
        new = {key: each for key, each in zip(keys, arguments, strict=True) if key not in self._cache}
        device = self._encoder.image_token_weight.device
        for batch in _batches({key: each[0] for key, each in new.items()}, config, device):
            if should_cancel():
                raise Cancelled("Cancelled while encoding the regions.")
            columns = zip(*(new[key] for key in batch), strict=True)
            encoded = encode(*(torch.stack(column).to(device) for column in columns))
            self._cache.update(zip(batch, encoded, strict=True))
        for key in keys:
            self._cache.move_to_end(key)
        results = [self._cache[key] for key in keys]
        while len(self._cache) > CACHE_SIZE:
            self._cache.popitem(last=False)
        return results


def _digest(tensors: Sequence[Tensor], encoder: str) -> bytes:
    digest = hashlib.blake2b(f"{encoder} {[tuple(t.shape) for t in tensors]}".encode(), digest_size=16)
    for tensor in tensors:
        digest.update(tensor.contiguous().numpy().data)
    return digest.digest()


def _batches(volumes: Mapping[bytes, Tensor], config: VisionConfig, device: torch.device) -> Iterator[list[bytes]]:
    """Yield the keys of volumes of one shape, as many at a time as fit in memory."""
    by_shape: dict[torch.Size, list[bytes]] = {}
    for key, volume in volumes.items():
        by_shape.setdefault(volume.shape, []).append(key)
    budget = torch.cuda.mem_get_info(device)[0] // 2 if device.type == "cuda" else CPU_BATCH_BYTES
    for shape, keys in by_shape.items():
        size = max(1, int(budget // _activation_bytes(shape, config)))
        yield from (keys[i : i + size] for i in range(0, len(keys), size))


def _activation_bytes(shape: torch.Size, config: VisionConfig) -> int:
    """Estimate the peak memory of encoding one volume: the volume three times, and the widest tensors of one block."""
    voxels = shape.numel()
    tokens = voxels // torch.Size(config.patch_size).numel()
    return 4 * (3 * voxels + tokens * (4 * config.dim + max(2 * config.mlp_dim, 4 * config.heads * config.dim_head)))
