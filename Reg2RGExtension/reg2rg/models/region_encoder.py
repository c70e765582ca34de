"""Region encoder: encode textures, geometry and the whole volume as language model tokens (paper, section III-B).

Attribute names are those of the published checkpoint (``embedding_layer``), so its tensors load by name.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reg2rg.models.config import ModelConfig
from reg2rg.models.cue_encoder import CueEncoder
from reg2rg.models.finding_head import FindingHead, FindingOutput, Sighting
from reg2rg.models.ood_detector import OODDetector
from reg2rg.models.perceiver import PerceiverResampler
from reg2rg.models.vision_transformer import VisionTransformer


class RegionEncoder(nn.Module):
    """Encodes the whole volume as ``latents`` tokens, and each region as ``latents`` texture and one geometry token.

    Attributes:
        weight: (vocab_size, width) word embeddings, the language model's own parameter.
        image_token_weight: (2, width) embeddings of <image> and </image>.
        region_token_weight: (2, width) embeddings of <region> and </region>.
        finding_head: detects findings; None if the model has no finding head.
        cue_encoder: encodes findings for the language model; None if the model uses no cues.
    """

    def __init__(self, config: ModelConfig, word_embeddings: nn.Parameter) -> None:
        """Initialize random weights.

        Args:
            config: configuration of the model.
            word_embeddings: (vocab_size, width) word embeddings of the language model.
        """
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
        self.cue_encoder: CueEncoder | None = None
        if config.findings:
            self.finding_head = FindingHead(config.findings, config.vision.dim, self.vision_encoder.pyramid_widths)
            self.ood_detector = OODDetector(config.vision.dim, config.findings.ood_directions, config.findings.kinds)
            if config.findings.cues:
                self.cue_encoder = CueEncoder(config.findings, width)

    def encode_volumes(self, volumes: Tensor) -> Tensor:
        """Encode volumes (B, H, W, D) with values in [-1, 1] as tokens (B, latents, width)."""
        return self.fc(self.latents(volumes))

    def latents(self, volumes: Tensor, vision_tokens: Tensor | None = None) -> Tensor:
        """Resample the vision tokens of volumes to latents.

        Args:
            volumes: (B, H, W, D), values in [-1, 1].
            vision_tokens: (B, N, dim) vision tokens, if they have already been computed; only the shape of
                ``volumes`` is then used.

        Returns:
            Latents (B, latents, dim).
        """
        tokens = self.vision_encoder(volumes) if vision_tokens is None else vision_tokens
        if self.add_positions:
            tokens = tokens + self.vision_encoder.positions(volumes)
        return self.perceiver(tokens)

    def encode_masks(self, masks: Tensor) -> Tensor:
        """Encode masks (B, H, W, D) with values in [0, 1] as one geometry token each (B, 1, width)."""
        return self.mask_fc(self.mask_encoder(masks).mean(dim=1, keepdim=True))

    def encode_regions(self, textures: Tensor, masks: Tensor) -> Tensor:
        """Encode textures and masks (B, H, W, D) as texture and geometry tokens (B, latents + 1, width)."""
        return torch.cat([self.encode_volumes(textures), self.encode_masks(masks)], dim=1)

    def detect_findings(self, textures: Tensor, voxel_mm: Tensor, scalars: Tensor) -> FindingOutput:
        """Apply the finding head.

        Args:
            textures: (B, H, W, D), values in [-1, 1].
            voxel_mm: (B, 3) voxel size of the textures in mm.
            scalars: (B, S, 2) value of each configured scalar, and how far it is known.

        Returns:
            The finding head's output.

        Raises:
            ValueError: the model has no finding head.
        """
        if self.finding_head is None:
            raise ValueError("the model has no finding head")
        sighting = self.look(textures, voxel_mm)
        return self.finding_head.conclude(sighting, self.vision_encoder.grid(textures), voxel_mm, scalars)

    def look(self, textures: Tensor, voxel_mm: Tensor) -> Sighting:
        """Return what the vision transformer and the finding map show; arguments as in ``detect_findings``.

        Raises:
            ValueError: the model has no finding head.
        """
        if self.finding_head is None:
            raise ValueError("the model has no finding head")
        tokens, finer = self.vision_encoder.forward_pyramid(textures)
        _, h, w, d = textures.shape
        return self.finding_head.look(tokens, self.vision_encoder.grid(textures), finer, voxel_mm, (h, w, d))
