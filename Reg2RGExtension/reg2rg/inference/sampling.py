"""How a token is chosen from the logits: the best one, or by chance among the best as the published system may."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """Chance among the best words: LLaMA-2-chat's own generation settings and the published top_k (reference A.6)."""

    seed: int
    top_k: int = 30
    top_p: float = 0.9
    temperature: float = 0.6


class Sampler:
    """Chooses tokens; without ``sampling`` the most probable one.

    Each text draws from random numbers of its own, so that what is written beside it, or is not, does not change it.
    """

    def __init__(self, sampling: Sampling | None) -> None:
        self.sampling = sampling
        self._generators: dict[int, torch.Generator] = {}

    def choose(self, logits: Tensor, texts: Sequence[int]) -> list[tuple[int, float]]:
        """A token for each row of logits (B, words) and the probability the model gives it; row i is of text i."""
        log_probabilities = logits.log_softmax(-1)
        if self.sampling is None:
            best, ids = log_probabilities.max(-1)
            return list(zip(ids.tolist(), best.exp().tolist(), strict=True))
        log_probabilities = log_probabilities.cpu()
        ids = [self._draw(row, self._generator(text)) for row, text in zip(log_probabilities, texts, strict=True)]
        return [(token, float(row[token].exp())) for token, row in zip(ids, log_probabilities, strict=True)]

    def _draw(self, log_probabilities: Tensor, generator: torch.Generator) -> int:
        count = min(self.sampling.top_k, len(log_probabilities))
        best, words = (log_probabilities / self.sampling.temperature).topk(count)
        shares = best.softmax(-1)
        shares[shares.cumsum(-1) - shares >= self.sampling.top_p] = 0
        return int(words[torch.multinomial(shares, 1, generator=generator)])

    def _generator(self, text: int) -> torch.Generator:
        if text not in self._generators:
            self._generators[text] = torch.Generator().manual_seed(self.sampling.seed * 1009 + text)
        return self._generators[text]
