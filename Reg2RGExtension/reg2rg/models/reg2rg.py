"""Reg2RG: the region encoder joined with the language model (paper, section III)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reg2rg.models.config import ModelConfig
from reg2rg.models.language_model import LanguageModel, build_language_model
from reg2rg.models.region_encoder import RegionEncoder
from reg2rg.models.special_tokens import SpecialTokens


@dataclass(frozen=True)
class PromptFeatures:
    """The embeddings that a prompt's special tokens stand for.

    Attributes:
        image: (latents, width) tokens of the whole volume.
        regions: (slots, latents + 1 + cues, width) tokens of the region in each slot, in slot order.
    """

    image: Tensor
    regions: Tensor


class Reg2RG(nn.Module):
    """The complete model.

    Attributes:
        config: the model's configuration.
        tokenizer: a transformers tokenizer, set when a model folder is loaded.
        special: IDs of the special tokens.
        lang_model: the language model, with its LoRA if there is one. The name is that of the published checkpoint.
        embedding_layer: the region encoder. The name is that of the published checkpoint.
    """

    lang_model: LanguageModel

    def __init__(self, config: ModelConfig, language_model: LanguageModel | None = None) -> None:
        """Initialize random weights.

        Args:
            config: the model's configuration.
            language_model: the language model with its LoRA, matching ``config.language``; if None, a new one is
                created.
        """
        super().__init__()
        self.config = config
        self.tokenizer: Any = None
        self.special = SpecialTokens(config.language.vocab_size, config.perceiver.latents, config.region_tokens)
        self.lang_model = build_language_model(config.language) if language_model is None else language_model
        self.embedding_layer = RegionEncoder(config, self._word_embeddings())

    @property
    def device(self) -> torch.device:
        """Device of the model."""
        return self.embedding_layer.image_token_weight.device

    @property
    def causal_lm(self) -> Any:
        """The transformers model inside ``lang_model``, including its LoRA layers."""
        wrapped = hasattr(self.lang_model, "get_base_model")
        return self.lang_model.get_base_model() if wrapped else self.lang_model

    def tie_word_embeddings(self) -> None:
        """Make the region encoder share the language model's word embeddings again, after they were replaced."""
        self.embedding_layer.weight = self._word_embeddings()

    def _word_embeddings(self) -> nn.Parameter:
        return self.lang_model.get_input_embeddings().weight

    def embed_words(self, ids: Sequence[int]) -> Tensor:
        """Return the word embeddings (N, width) of token IDs, none of which is special."""
        return F.embedding(torch.tensor(ids, device=self.device), self.embedding_layer.weight)

    def embed(self, ids: Tensor, features: Sequence[PromptFeatures]) -> Tensor:
        """Look up the input embeddings of prompts.

        Words are looked up in the word embeddings, special tokens in the features of their own prompt. The published
        code computes the same with a one-hot matrix product.

        Args:
            ids: (B, N) token IDs.
            features: the features of each prompt.

        Returns:
            Embeddings (B, N, width).

        Raises:
            ValueError: a prompt has a slot without features.
        """
        encoder = self.embedding_layer
        vocab_size = self.config.language.vocab_size
        is_special = ids >= vocab_size
        # Not weight[ids]: several threads add its gradients up in an order that differs from run to run.
        embedded = F.embedding(ids.masked_fill(is_special, 0), encoder.weight)
        rows = []
        for prompt_ids, special, prompt in zip(ids, is_special, features, strict=True):
            table = torch.cat(
                [encoder.image_token_weight, encoder.region_token_weight, prompt.image, prompt.regions.flatten(0, 1)]
            )
            index = prompt_ids[special] - vocab_size
            if index.numel() and int(index.max()) >= len(table):
                raise ValueError(f"the prompt has a slot beyond its {len(prompt.regions)} regions")
            rows.append(F.embedding(index, table))
        return embedded.masked_scatter(is_special[..., None], torch.cat(rows).to(embedded.dtype))

    def forward(
        self,
        ids: Tensor,
        features: Sequence[PromptFeatures],
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> Any:
        """Run the language model on prompts and texts.

        Args:
            ids: (B, N) token IDs, padded on the right.
            features: the features of each prompt.
            attention_mask: attention mask in transformers' form.
            labels: (B, N) IDs to predict; -100 is ignored.
            positions: (B, N) position of each token.

        Returns:
            transformers' output: the logits and, if labels are given, the loss.
        """
        return self.lang_model(
            inputs_embeds=self.embed(ids, features),
            attention_mask=attention_mask,
            position_ids=positions,
            labels=labels,
        )
