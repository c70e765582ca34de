"""Choose the next token: the most probable one, or a random one among the most probable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class SamplingConfig:
    """Settings of top-k and top-p sampling.

    The defaults are the generation settings of LLaMA-2-7B-chat and the top-k of the published Reg2RG code.

    Attributes:
        seed: random seed.
        top_k: number of tokens to sample from.
        top_p: cumulative probability after which tokens are excluded.
        temperature: divisor of the logits.
    """

    seed: int
    top_k: int = 30
    top_p: float = 0.9
    temperature: float = 0.6

    def seed_of(self, text: int) -> int:
        """Return the seed of one text, by its number."""
        return self.seed * 1009 + text


class Sampler:
    """Chooses tokens.

    Each text has its own random number generator, so a text does not depend on the texts that are generated with it.
    """

    def __init__(self, config: SamplingConfig | None) -> None:
        """Store the settings; without settings, the most probable token is chosen (greedy decoding)."""
        self._config = config
        self._rngs: dict[int, torch.Generator] = {}

    @property
    def greedy(self) -> bool:
        """Whether the most probable token is always chosen."""
        return self._config is None

    def choose(self, logits: Tensor, texts: Sequence[int]) -> list[tuple[int, float]]:
        """Choose one token per row.

        Args:
            logits: (B, vocabulary).
            texts: number of the text that each row continues.

        Returns:
            Token ID and its probability under the model, per row.
        """
        log_probabilities = logits.log_softmax(-1)
        if self._config is None:
            best, ids = log_probabilities.max(-1)
            return list(zip(ids.tolist(), best.exp().tolist(), strict=True))
        choices = []
        for row, text in zip(log_probabilities.cpu(), texts, strict=True):
            token = _sample(row, self._config, self._rng(text, self._config))
            choices.append((token, float(row[token].exp())))
        return choices

    def _rng(self, text: int, config: SamplingConfig) -> torch.Generator:
        if text not in self._rngs:
            self._rngs[text] = torch.Generator().manual_seed(config.seed_of(text))
        return self._rngs[text]


def _sample(log_probabilities: Tensor, config: SamplingConfig, rng: torch.Generator) -> int:
    """Sample a token ID from log-probabilities (vocabulary,)."""
    count = min(config.top_k, len(log_probabilities))
    best, ids = (log_probabilities / config.temperature).topk(count)
    weights = best.softmax(-1)
    weights[weights.cumsum(-1) - weights >= config.top_p] = 0
    return int(ids[torch.multinomial(weights, 1, generator=rng)])
