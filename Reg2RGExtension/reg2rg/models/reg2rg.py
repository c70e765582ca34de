"""Reg2RG: region encoder and language model joined (paper, section III; reference A.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from reg2rg.models.config import ModelConfig
from reg2rg.models.language_model import build_language_model
from reg2rg.models.region_encoder import RegionEncoder


@dataclass(frozen=True)
class SpecialTokens:
    """Numbering of the special tokens after a vocabulary of ``vocab_size`` words.

    Order: <image>, </image>, <region>, </region>, the image's ``latents`` tokens, then ``region_length`` per slot:
    texture latents, the geometry token and, where the model has any, cues.
    """

    vocab_size: int
    latents: int
    region_length: int

    @property
    def image(self) -> list[int]:
        """<image>, the image's tokens, </image>."""
        first = self.vocab_size + 4
        return [self.vocab_size, *range(first, first + self.latents), self.vocab_size + 1]

    def region(self, slot: int) -> list[int]:
        """<region>, the tokens of slot ``slot``, </region>."""
        first = self.vocab_size + 4 + self.latents + slot * self.region_length
        return [self.vocab_size + 2, *range(first, first + self.region_length), self.vocab_size + 3]


@dataclass(frozen=True)
class PromptFeatures:
    """What the special tokens of one prompt stand for.

    Attributes:
        image: (latents, width) tokens of the whole volume.
        regions: (slots, latents + 1 + cues, width) tokens of each slot's region, in slot order.
    """

    image: Tensor
    regions: Tensor


class Reg2RG(nn.Module):
    """The model of a model folder.

    Attributes:
        config: its configuration.
        tokenizer: a transformers tokenizer, set when the folder is loaded.
        special: ids of the special tokens.
    """

    def __init__(self, config: ModelConfig, language_model: nn.Module | None = None) -> None:
        """Fresh weights, those of the language model excepted if one is given (of this config, LoRA around it)."""
        super().__init__()
        self.config = config
        self.tokenizer: Any = None
        self.special = SpecialTokens(config.language.vocab_size, config.perceiver.latents, config.region_tokens)
        self.lang_model = build_language_model(config.language) if language_model is None else language_model
        self.embedding_layer = RegionEncoder(config, self.lang_model.get_input_embeddings().weight)

    @property
    def device(self) -> torch.device:
        return self.embedding_layer.image_token_weight.device

    @property
    def causal_lm(self) -> nn.Module:
        """The transformers model inside ``lang_model``, with its LoRA layers if it has any."""
        wrapped = hasattr(self.lang_model, "get_base_model")
        return self.lang_model.get_base_model() if wrapped else self.lang_model

    def tie_word_embeddings(self) -> None:
        """Make the region encoder's word embeddings the language model's own parameter again."""
        self.embedding_layer.weight = self.lang_model.get_input_embeddings().weight

    def embed(self, ids: Tensor, features: Sequence[PromptFeatures]) -> Tensor:
        """Prompt ids (B, N) to input embeddings (B, N, width).

        Each id is looked up by index: words in the word table, special ids in the sample's own rows. The published code
        does the same with a one-hot product.
        """
        encoder = self.embedding_layer
        vocab_size = self.config.language.vocab_size
        is_special = ids >= vocab_size
        embedded = encoder.weight[ids.masked_fill(is_special, 0)]
        rows = []
        for sample, which in zip(features, is_special, strict=True):
            table = torch.cat(
                [encoder.image_token_weight, encoder.region_token_weight, sample.image, sample.regions.flatten(0, 1)]
            )
            index = ids[len(rows)][which] - vocab_size
            if index.numel() and int(index.max()) >= len(table):
                raise ValueError(f"the prompt has a slot beyond its {len(sample.regions)} regions")
            rows.append(table[index])
        return embedded.masked_scatter(is_special[..., None], torch.cat(rows).to(embedded.dtype))

    def forward(
        self,
        ids: Tensor,
        features: Sequence[PromptFeatures],
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> Any:
        """The language model's output (logits, and loss if labels are given) for ids (B, N), right-padded."""
        return self.lang_model(
            inputs_embeds=self.embed(ids, features),
            attention_mask=attention_mask,
            position_ids=positions,
            labels=labels,
        )
