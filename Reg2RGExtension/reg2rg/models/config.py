"""Configuration of a model folder: architecture, preprocessing, prompt. Presets are small differences between configs.

Defaults are the published Reg2RG with LLaMA-2-7B-chat. A field that the paper does not have is off by default and
says so; the embedded ``phantom`` model differs from the published one only by the values of these fields.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from reg2rg.errors import InputError

Size = tuple[int, int, int]
"""Voxels or tokens along the model's axes: right-left, anterior-posterior, superior-inferior."""


@dataclass(frozen=True)
class PreprocessingConfig:
    """How a volume and its masks become tensors.

    Attributes:
        image_size: size the cropped whole volume is resized to.
        texture_size: size each region's crop is resized to.
        mask_size: size each region's mask, uncropped, is resized to.
        body_threshold: HU above which a voxel counts for cropping.
        hu_min, hu_max: HU clamped to this range, which then maps onto -1 to 1.
        inside_only: average each resized texture voxel over the region's voxels alone, so that no background mixes
            into its edges. Not in the paper.
        texture_sizes: region -> texture size, where it is not ``texture_size``: a large region whose findings are small
            needs more voxels than a small one. Not in the paper.
    """

    image_size: Size = (256, 256, 64)
    texture_size: Size = (256, 256, 64)
    mask_size: Size = (256, 256, 64)
    body_threshold: float = -1000.0
    hu_min: float = -1000.0
    hu_max: float = 200.0
    inside_only: bool = False
    texture_sizes: dict[str, Size] = field(default_factory=dict)

    def texture_size_of(self, region: str) -> Size:
        """Voxels that the texture of a region is resized to."""
        return self.texture_sizes.get(region, self.texture_size)


@dataclass(frozen=True)
class VisionConfig:
    """A 3-D vision transformer (the texture encoder, shared with the whole volume, or the mask encoder).

    Attributes:
        table_size: voxels that the learned position table was made for; its size is table_size / patch_size.
        patch_size: voxels of one token.
        channels: equal copies of the one-channel input that the patch embedding expects.
        dim, depth, heads, dim_head, mlp_dim: width, blocks, attention heads, their width, width of the MLP.
        positions: "learned" (published) or "sine" (fixed, over the crop; the table has no weights then).
        stem: "patch" (published: flatten and project) or "pyramid" (convolutions that halve the grid down to patches of
            8 x 8 x 8 voxels, whose features at each scale the finding map is made from).
        windows: of the "pyramid" stem, ranges of the volume's values, each clamped and stretched to a channel of its
            own beside the volume: soft tissue takes up a hundredth of what lies between air and bone.
    """

    table_size: Size = (512, 512, 512)
    patch_size: Size = (32, 32, 4)
    channels: int = 3
    dim: int = 768
    depth: int = 12
    heads: int = 8
    dim_head: int = 64
    mlp_dim: int = 2048
    dropout: float = 0.1
    positions: str = "learned"
    stem: str = "patch"
    windows: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class PerceiverConfig:
    """The resampler that turns any number of vision tokens into a few.

    Attributes:
        positions: add the fixed sine positions to the vision tokens once more before resampling. Not in the paper.
    """

    latents: int = 32
    depth: int = 6
    heads: int = 8
    dim_head: int = 64
    ff_mult: int = 4
    positions: bool = False


@dataclass(frozen=True)
class FindingConfig:
    """The finding head and the cues it gives the language model. Not in the paper.

    Attributes:
        labels: findings the head tells apart, one query each.
        sided, levelled, sized: those of them that have a side, a level (SIDES and LEVELS of
            reg2rg.models.finding_head) or a size.
        dense: also a logit per finding and cell of the finest grid that the stem offers: the finding map.
        width: of the head's queries.
        cues: findings of a region told to the language model, one token each, behind the region's tokens; 0 tells it
            nothing.
        size_edges: mm; sizes between two of them have one cue.
        temperature: divides the head's logits; fitted on validation cases.
        familiarity: main directions kept of the training cases' tokens, region by region, to tell unlike volumes by.
    """

    labels: tuple[str, ...]
    sided: tuple[str, ...] = ()
    levelled: tuple[str, ...] = ()
    sized: tuple[str, ...] = ()
    dense: bool = True
    width: int = 192
    cues: int = 4
    size_edges: tuple[float, ...] = (4, 5, 6, 7, 8, 9.5, 11, 13, 15, 17.5, 20, 23, 27, 31, 36, 42, 49, 57, 66, 77)
    temperature: float = 1.0
    familiarity: int = 16


@dataclass(frozen=True)
class LoraSettings:
    """Low-rank adaptation of the language model's query and value projections."""

    rank: int = 8
    alpha: int = 32
    dropout: float = 0.1
    targets: tuple[str, ...] = ("q_proj", "v_proj")


@dataclass(frozen=True)
class LanguageConfig:
    """The LLaMA-family language model, in transformers' terms, and its LoRA.

    Attributes:
        model_type: transformers' name of the architecture, one of reg2rg.models.language_model.LLAMA_FAMILY.
        head_dim: width of an attention head; None is hidden_size / num_attention_heads.
        bos_token_id, eos_token_id, pad_token_id: the tokenizer's; None where it has none.
        other: fields of transformers' config of that architecture that differ from its defaults, such as
            rope_parameters, attention_bias or sliding_window.
        lora: None trains the language model whole.
    """

    vocab_size: int = 32000
    hidden_size: int = 4096
    intermediate_size: int = 11008
    num_hidden_layers: int = 32
    num_attention_heads: int = 32
    num_key_value_heads: int = 32
    max_position_embeddings: int = 4096
    rms_norm_eps: float = 1e-5
    rope_theta: float = 10000.0
    tie_word_embeddings: bool = False
    model_type: str = "llama"
    head_dim: int | None = None
    bos_token_id: int | None = 1
    eos_token_id: int | None = 2
    pad_token_id: int | None = 0
    other: dict[str, Any] = field(default_factory=dict)
    lora: LoraSettings | None = field(default_factory=LoraSettings)


@dataclass(frozen=True)
class ModelConfig:
    """Everything a model folder's config.json says.

    Attributes:
        name: preset or model name, shown in provenance.
        regions_per_prompt: regions asked for in one prompt; 10 is published, 1 writes each region by itself.
        parallel: trained to write each region of a prompt in a text of its own that sees the prompt alone, all at once;
            published is one text for all. Not in the paper.
        instruction: the published instruction ends the prompt; False leaves it out. Not in the paper.
        findings: the finding head; None is published.
    """

    name: str = "llama2-7b"
    preprocessing: PreprocessingConfig = field(default_factory=PreprocessingConfig)
    vision: VisionConfig = field(default_factory=VisionConfig)
    mask: VisionConfig = field(
        default_factory=lambda: VisionConfig((256, 256, 64), (32, 32, 16), 1, 255, 3, 8, 64, 512)
    )
    perceiver: PerceiverConfig = field(default_factory=PerceiverConfig)
    language: LanguageConfig = field(default_factory=LanguageConfig)
    regions_per_prompt: int = 10
    parallel: bool = False
    instruction: bool = True
    findings: FindingConfig | None = None

    @property
    def region_tokens(self) -> int:
        """Tokens of the prompt that stand for one region: texture latents, the geometry token, cues."""
        return self.perceiver.latents + 1 + (self.findings.cues if self.findings else 0)

    def to_dict(self) -> dict[str, Any]:
        """Plain types for config.json."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ModelConfig:
        """Read what ``to_dict`` wrote; InputError for unknown fields or values of a wrong kind."""
        return _build(cls, values, "config")


_NESTED = {
    "preprocessing": PreprocessingConfig,
    "vision": VisionConfig,
    "mask": VisionConfig,
    "perceiver": PerceiverConfig,
    "language": LanguageConfig,
    "lora": LoraSettings,
    "findings": FindingConfig,
}


def _build(cls: type, values: Any, where: str) -> Any:
    if not isinstance(values, dict):
        raise InputError(f"{where} in the model's config.json is {values!r}; expected an object with named fields.")
    known = {f.name for f in dataclasses.fields(cls)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise InputError(f"{where} in the model's config.json has unknown fields: {', '.join(unknown)}.")
    arguments = {}
    for name, value in values.items():
        if name in _NESTED and value is not None:
            value = _build(_NESTED[name], value, f"{where}.{name}")
        elif name == "texture_sizes":
            value = {region: tuple(size) for region, size in value.items()}
        elif isinstance(value, list):
            value = tuple(tuple(item) if isinstance(item, list) else item for item in value)
        arguments[name] = value
    return cls(**arguments)
