"""Configuration of a model: architecture, preprocessing and prompt format, as stored in ``config.json``.

The defaults are those of the published Reg2RG with LLaMA-2-7B-chat (IEEE TMI 2025, section III). Fields marked "Not in
the paper" are off by default. The embedded ``phantom`` model differs from the published one only in the values of these
fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from reg2rg.measurements import SCALAR_NAMES
from reg2rg.runtime.dataclass_io import Constraint, from_plain, to_plain

Size = tuple[int, int, int]
"""Number of voxels or tokens along the model's axes: right-left, anterior-posterior, superior-inferior."""


Layers = Annotated[int, Constraint("1 to 1000", lambda count: 1 <= count <= 1000)]
"""Number of layers. A damaged config could otherwise describe a model that takes hours to build."""


Scalars = Annotated[
    tuple[str, ...], Constraint(f"some of {', '.join(SCALAR_NAMES)}", lambda names: set(names) <= set(SCALAR_NAMES))
]
"""Names of scalars."""


@dataclass(frozen=True)
class PreprocessingConfig:
    """How a volume and its masks become tensors.

    Attributes:
        image_size: size of the whole volume after cropping to the body and resizing.
        texture_size: size of each region's crop after resizing.
        mask_size: size of each region's uncropped mask after resizing.
        body_threshold: HU above which a voxel belongs to the body.
        hu_min: HU that maps to -1; lower values are clamped.
        hu_max: HU that maps to 1; higher values are clamped.
        inside_only: whether to average each resized texture voxel over voxels inside the region only, so that no
            background bleeds into its edges. Not in the paper.
        texture_sizes: region name -> texture size where it differs from ``texture_size``. A large region with small
            findings needs more voxels. Not in the paper.
        margins_mm: region name -> distance in mm from the region up to which its texture shows its surroundings. What
            fills the pleural space counts as lung or as pleura, depending on the segmenter, so the pleura needs one.
            Only with ``inside_only``. Not in the paper.
    """

    image_size: Size = (256, 256, 64)
    texture_size: Size = (256, 256, 64)
    mask_size: Size = (256, 256, 64)
    body_threshold: float = -1000.0
    hu_min: float = -1000.0
    hu_max: float = 200.0
    inside_only: bool = False
    texture_sizes: dict[str, Size] = field(default_factory=dict)
    margins_mm: dict[str, float] = field(default_factory=dict)

    def texture_size_of(self, region: str) -> Size:
        """Return the texture size of a region."""
        return self.texture_sizes.get(region, self.texture_size)


@dataclass(frozen=True)
class VisionConfig:
    """A 3-D vision transformer: the texture encoder, which also encodes the whole volume, or the mask encoder.

    Attributes:
        table_size: volume size that the learned position table covers; the table has table_size / patch_size entries.
        patch_size: voxels per token.
        channels: number of identical copies of the one-channel input that the patch embedding expects.
        dim: width of the tokens.
        depth: number of transformer blocks.
        heads: attention heads per block.
        dim_head: width of an attention head.
        mlp_dim: hidden width of the MLP.
        dropout: dropout probability.
        positions: "learned" (published) or "sine" (fixed, relative to the crop, without weights).
        stem: "patch" (published; flatten and project) or "pyramid" (convolutions that halve the grid step by step down
            to patches of 8 x 8 x 8 voxels; the finding map uses their features at each scale).
        windows: intensity windows of the "pyramid" stem, in units of the normalized volume (-1 to 1). Each adds one
            input channel that is clamped and stretched to the window. Soft tissue covers only a hundredth of the range
            between air and bone. Not in the paper.
    """

    table_size: Size = (512, 512, 512)
    patch_size: Size = (32, 32, 4)
    channels: int = 3
    dim: int = 768
    depth: Layers = 12
    heads: int = 8
    dim_head: int = 64
    mlp_dim: int = 2048
    dropout: float = 0.1
    positions: Literal["learned", "sine"] = "learned"
    stem: Literal["patch", "pyramid"] = "patch"
    windows: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class PerceiverConfig:
    """The perceiver resampler, which reduces any number of vision tokens to a few latents.

    Attributes:
        latents: number of latents.
        depth: number of layers.
        heads: attention heads per layer.
        dim_head: width of an attention head.
        ff_mult: hidden width of the feed-forward layers, as a multiple of the token width.
        positions: whether to add the position codes to the vision tokens again before resampling. Not in the paper.
    """

    latents: int = 32
    depth: Layers = 6
    heads: int = 8
    dim_head: int = 64
    ff_mult: int = 4
    positions: bool = False


@dataclass(frozen=True)
class FindingConfig:
    """The finding head, the cues it passes to the language model, and the out-of-distribution detector.

    Not in the paper.

    Attributes:
        labels: findings that the head detects, one query each.
        sided: labels that have a side.
        leveled: labels that have a level (upper, middle, lower).
        sized: labels that have a size.
        dense: whether to also predict the finding map: one logit per label and cell of the stem's finest grid.
        width: width of the head's queries.
        cues: number of findings per region that are passed to the language model, one token each, after the region's
            own tokens; 0 passes none.
        size_edges: boundaries in mm of the size bins of a cue.
        temperature: divisor of the head's logits, fitted on validation cases.
        kind_temperatures: kind of volumes -> divisor of the head's logits, fitted on validation cases of this kind. A
            kind that is missing uses ``temperature``.
        ood_directions: number of principal directions per region that the out-of-distribution detector keeps.
        kinds: kinds of training volumes, such as phantoms and CTs, that this detector tells apart.
        supported: kind -> labels that a draft may state in volumes of this kind, because the model's precision was
            shown for them. A kind that is missing supports all labels.
        scalars: volume, mean HU and measures of the region that the head and the cues read besides the image; some of
            reg2rg.measurements.SCALAR_NAMES.
    """

    labels: tuple[str, ...]
    sided: tuple[str, ...] = ()
    leveled: tuple[str, ...] = ()
    sized: tuple[str, ...] = ()
    dense: bool = True
    width: int = 192
    cues: int = 4
    size_edges: tuple[float, ...] = (4, 5, 6, 7, 8, 9.5, 11, 13, 15, 17.5, 20, 23, 27, 31, 36, 42, 49, 57, 66, 77)
    temperature: float = 1.0
    kind_temperatures: Mapping[str, float] = field(default_factory=dict, hash=False)
    ood_directions: int = 16
    kinds: tuple[str, ...] = ("",)
    supported: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    scalars: Scalars = ()


@dataclass(frozen=True)
class LoraSettings:
    """Low-rank adaptation (LoRA) of the language model.

    Attributes:
        rank: rank of the update.
        alpha: scale of the update; it is multiplied by alpha / rank.
        dropout: dropout probability of the update's input.
        targets: names of the linear layers that are adapted.
    """

    rank: int = 8
    alpha: int = 32
    dropout: float = 0.1
    targets: tuple[str, ...] = ("q_proj", "v_proj")


@dataclass(frozen=True)
class LanguageConfig:
    """The LLaMA-family language model and its LoRA. Fields are those of transformers unless noted.

    Attributes:
        vocab_size: number of tokens in the vocabulary.
        hidden_size: width of the embeddings and the residual stream.
        intermediate_size: hidden width of the MLP.
        num_hidden_layers: number of layers.
        num_attention_heads: query heads per layer.
        num_key_value_heads: key and value heads per layer.
        max_position_embeddings: context length in tokens.
        rms_norm_eps: epsilon of the RMSNorm layers.
        rope_theta: base of the rotary position embedding.
        tie_word_embeddings: whether the output head shares its weights with the word embeddings.
        model_type: transformers' name of the architecture, one of reg2rg.models.language_model.LLAMA_FAMILY.
        head_dim: width of an attention head; None means hidden_size / num_attention_heads.
        bos_token_id: ID of the tokenizer's beginning-of-sequence token; None if it has none.
        eos_token_id: ID of the tokenizer's end-of-sequence token; None if it has none.
        pad_token_id: ID of the tokenizer's padding token; None if it has none.
        config_overrides: other fields of transformers' config that differ from the defaults of the architecture,
            such as rope_parameters, attention_bias or sliding_window. Not a field of transformers.
        lora: LoRA settings; None means that the language model is trained as a whole. Not a field of transformers.
    """

    vocab_size: int = 32000
    hidden_size: int = 4096
    intermediate_size: int = 11008
    num_hidden_layers: Layers = 32
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
    config_overrides: dict[str, Any] = field(default_factory=dict)
    lora: LoraSettings | None = field(default_factory=LoraSettings)


@dataclass(frozen=True)
class ModelConfig:
    """Everything in a model folder's config.json.

    Attributes:
        name: name of the preset or model, recorded in the provenance of reports.
        trained_for: what the model was trained for, such as "synthetic phantoms"; shown in every report. Empty if that
            is not known.
        preprocessing: how a volume and its masks become tensors.
        vision: the vision transformer for region textures and the whole volume.
        mask: the vision transformer for region masks.
        perceiver: the resampler for vision tokens.
        language: the language model.
        regions_per_prompt: regions requested in one prompt; 10 as published, or 1 to write each region independently.
        parallel: whether the model was trained to continue a prompt with one text per region, all at once. Each text
            sees only the prompt. The published model writes one text for all regions. Not in the paper.
        instruction: whether the prompt ends with the published instruction. Leaving it out is not in the paper.
        findings: the finding head; None, as published, for a model without one.
    """

    name: str = "llama2-7b"
    trained_for: str = ""
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
        """Number of prompt tokens per region: texture latents, the geometry token and cues."""
        return self.perceiver.latents + 1 + (self.findings.cues if self.findings else 0)

    @property
    def scalars(self) -> tuple[str, ...]:
        """Names of the scalars that the model reads; empty if it reads none."""
        return self.findings.scalars if self.findings else ()

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain types for config.json."""
        return to_plain(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelConfig:
        """Build a configuration from the result of ``to_dict``.

        Args:
            values: field name -> plain value.

        Returns:
            The configuration.

        Raises:
            InputError: a field is unknown or has a value of the wrong type.
        """
        return from_plain(cls, values, "config")
