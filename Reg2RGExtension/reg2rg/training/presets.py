"""The config of the embedded phantom model: the published architecture at a size that two CPU cores can train."""

from __future__ import annotations

from reg2rg.models.config import (
    LanguageConfig,
    ModelConfig,
    PerceiverConfig,
    PreprocessingConfig,
    VisionConfig,
)


def phantom_config(vocab_size: int) -> ModelConfig:
    """Differs from the published preset by field values alone; each field is explained in reg2rg.models.config."""
    crop = (64, 48, 48)
    return ModelConfig(
        name="phantom",
        preprocessing=PreprocessingConfig(image_size=crop, texture_size=crop, mask_size=(32, 24, 24), inside_only=True),
        vision=VisionConfig(
            table_size=crop,
            patch_size=(8, 8, 8),
            channels=1,
            dim=192,
            depth=3,
            heads=6,
            dim_head=32,
            mlp_dim=384,
            dropout=0.0,
            positions="sine",
            stem="conv",
        ),
        mask=VisionConfig(
            table_size=(32, 24, 24),
            patch_size=(8, 8, 8),
            channels=1,
            dim=96,
            depth=2,
            heads=4,
            dim_head=24,
            mlp_dim=192,
            dropout=0.0,
            positions="sine",
        ),
        perceiver=PerceiverConfig(latents=8, depth=2, heads=6, dim_head=32, ff_mult=2, positions=True),
        language=LanguageConfig(
            vocab_size=vocab_size,
            hidden_size=256,
            intermediate_size=704,
            num_hidden_layers=4,
            num_attention_heads=8,
            num_key_value_heads=8,
            max_position_embeddings=1024,
            lora=None,
        ),
        regions_per_prompt=1,
        instruction=False,
    )
