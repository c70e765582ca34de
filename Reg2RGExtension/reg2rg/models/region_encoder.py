"""Region encoder: texture, geometry and the whole volume become tokens of the language model (paper, section III-B).

Attribute names are those of the published checkpoint (``embedding_layer``), so its tensors load by name.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reg2rg.models.config import ModelConfig
from reg2rg.models.cue_encoder import CueEncoder
from reg2rg.models.finding_head import FindingHead, FindingOutput
from reg2rg.models.ood_detector import OODDetector
from reg2rg.models.perceiver import PerceiverResampler
from reg2rg.models.vision_transformer import VisionTransformer


class RegionEncoder(nn.Module):
    """Encodes the whole volume into ``latents`` tokens, each region into ``latents`` of texture and one of geometry.

    Also holds the word embeddings (the language model's own parameter) and the tokens around image and region.
    """

    def __init__(self, config: ModelConfig, word_embeddings: nn.Parameter) -> None:
        super().__init__()
        width = config.language.hidden_size
        self.add_positions = config.perceiver.positions
        self.weight = word_embeddings
        self.image_token_weight = nn.Parameter(torch.randn(2, width))
        self.region_token_weight = nn.Parameter(torch.randn(2, width))
        self.vision_encoder = VisionTransformer(config.vision)
        self.perceiver = PerceiverResampler(config.vision.dim, config.perceiver)
        self.fc = nn.Linear(config.vision.dim, width)
        self.mask_encoder = VisionTransformer(config.mask)
        self.mask_fc = nn.Linear(config.mask.dim, width)
        self.finding_head: FindingHead | None = None
        self.cues: CueEncoder | None = None
        if config.findings:
            self.finding_head = FindingHead(config.findings, config.vision.dim, self.vision_encoder.finer_widths)
            self.familiarity = OODDetector(config.vision.dim, config.findings.familiarity)
            if config.findings.cues:
                self.cues = CueEncoder(config.findings, width)

    def latents(self, volumes: Tensor, vision_tokens: Tensor | None = None) -> Tensor:
        """Volumes (B, H, W, D) in [-1, 1] to latents (B, latents, dim), from their vision tokens if those are given."""
        tokens = self.vision_encoder(volumes) if vision_tokens is None else vision_tokens
        if self.add_positions:
            tokens = tokens + self.vision_encoder.positions(volumes)
        return self.perceiver(tokens)

    def look(self, textures: Tensor, voxel_mm: Tensor) -> FindingOutput:
        """What the finding head sees in textures (B, H, W, D) whose voxels have these sizes (B, 3), mm."""
        tokens, finer = self.vision_encoder.pyramid(textures)
        size = tuple(textures.shape[1:])
        return self.finding_head(tokens, self.vision_encoder.grid(textures), finer, voxel_mm, size)

    def encode_volumes(self, volumes: Tensor) -> Tensor:
        """Volumes (B, H, W, D) in [-1, 1] to tokens (B, latents, width)."""
        return self.fc(self.latents(volumes))

    def encode_masks(self, masks: Tensor) -> Tensor:
        """Masks (B, H, W, D) in [0, 1] to one token each (B, 1, width)."""
        return self.mask_fc(self.mask_encoder(masks).mean(dim=1, keepdim=True))

    def encode_regions(self, textures: Tensor, masks: Tensor) -> Tensor:
        """Textures and masks of B regions to (B, latents + 1, width): texture tokens, then the geometry token."""
        return torch.cat([self.encode_volumes(textures), self.encode_masks(masks)], dim=1)
