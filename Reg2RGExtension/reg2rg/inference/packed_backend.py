"""The packed backend: generate texts token by token after the prompts of a packed sequence, all in one pass per step.

A text that is regenerated can be given its earlier version. Tokens of the earlier version are then appended to the
newest token in the same pass, and those that the model would have chosen are accepted. The result is the same, but one
pass adds many tokens where both versions agree (speculative decoding with prompt lookup).
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Sequence

import torch

from reg2rg.inference.backend import Prompt, TextState
from reg2rg.inference.packed_sequence import ALL_TEXTS, PackedSequence, Tokens
from reg2rg.inference.sampling import Sampler, SamplingConfig
from reg2rg.models.reg2rg import Reg2RG

MAX_PROPOSED_TOKENS = 31
"""Maximum number of tokens of an earlier version that one pass tries."""


class PackedBackend:
    """The decoder of this project: prompts and texts are one packed sequence, whose key-value cache stays in memory.

    Prompts are processed from the first token that differs from those of the last call.
    """

    def __init__(self, model: Reg2RG) -> None:
        """Start with an empty cache.

        Args:
            model: the model; fused, if it is not trained any more.
        """
        self._model = model
        self._sequence = PackedSequence(model.causal_lm)
        self._prompt_tokens: Tokens | None = None  # what the sequence begins with

    def decode(
        self, texts: Sequence[TextState], eos_token_id: int | None, sampling: SamplingConfig | None
    ) -> Generator[list[TextState], None, None]:
        """Generate texts; see DecodingBackend. One forward pass adds at least one token to each text."""
        self._prefill(list(dict.fromkeys(text.prompt for text in texts)))
        sequence, sampler = self._sequence, Sampler(sampling)
        while growing := [text for text in texts if not text.ended]:
            steps = [_Step(text, propose=sampler.greedy) for text in growing]
            logits = sequence.append(self._tokens(steps), _logit_indices(steps))
            choices = iter(sampler.choose(logits, [step.text.number for step in steps for _ in step.logit_indices]))
            end = len(sequence) - sum(len(step.ids) for step in steps)
            for step in steps:
                end += len(step.ids)
                rejected = step.accept([next(choices) for _ in step.logit_indices], eos_token_id)
                sequence.hide(end - rejected, end)
            yield growing

    def _prefill(self, prompts: Sequence[Prompt]) -> None:
        """Process all prompts. What they have in common is processed once."""
        shared = prompts[0].shared
        parts = [(prompts[0], 0, shared, ALL_TEXTS)]
        parts += [(prompt, shared, len(prompt.embeddings), prompt.text_bits) for prompt in prompts]
        tokens = Tokens(
            torch.cat([prompt.embeddings[start:end] for prompt, start, end, _ in parts]),
            [position for _, start, end, _ in parts for position in range(start, end)],
            [bits for _, start, end, bits in parts for _ in range(start, end)],
        )
        known = 0 if self._prompt_tokens is None else _common_prefix(tokens, self._prompt_tokens)
        self._sequence.truncate(known)
        self._prompt_tokens = None  # unknown until the pass has succeeded
        if known < len(tokens.positions):
            self._sequence.append(Tokens(tokens.embeddings[known:], tokens.positions[known:], tokens.text_bits[known:]))
        self._prompt_tokens = tokens

    def _tokens(self, steps: Sequence[_Step]) -> Tokens:
        embeddings = self._model.embed_words([token_id for step in steps for token_id in step.ids])
        positions = [step.position + i for step in steps for i in range(len(step.ids))]
        return Tokens(embeddings, positions, [step.text.text_bits for step in steps for _ in step.ids])


class _Step:
    """The tokens that one text adds in one pass: its newest tokens, then tokens proposed from its earlier version.

    Attributes:
        text: the text.
        position: position of the first token.
        proposed: the proposed token IDs.
        ids: all token IDs of the step.
        logit_indices: indices of the tokens whose logits are needed: the newest token and each proposed one.
    """

    def __init__(self, text: TextState, *, propose: bool) -> None:
        self.text = text
        if text.ids:
            newest = text.ids[-1:]
            self.position = len(text.prompt.embeddings) + len(text.start_ids) + len(text.ids) - 1
        else:
            newest = list(text.start_ids)
            self.position = len(text.prompt.embeddings)
        self.proposed = _propose(text) if propose else []
        self.ids = [*newest, *self.proposed]
        self.logit_indices = range(len(newest) - 1, len(self.ids))

    def accept(self, choices: Sequence[tuple[int, float]], eos_token_id: int | None) -> int:
        """Append the chosen tokens up to the first that differs from the proposal.

        Returns:
            The number of proposed tokens that were rejected.
        """
        accepted = 0
        for token_id, probability in choices:
            self.text.append(token_id, probability, eos_token_id)
            if self.text.ended or accepted == len(self.proposed) or token_id != self.proposed[accepted]:
                break
            accepted += 1
        return len(self.proposed) - accepted


def _logit_indices(steps: Sequence[_Step]) -> list[int]:
    """Return the indices, over all tokens of the pass, whose logits are needed."""
    starts = itertools.accumulate((len(step.ids) for step in steps), initial=0)
    return [start + index for start, step in zip(starts, steps, strict=False) for index in step.logit_indices]


def _propose(text: TextState) -> list[int]:
    """Return the tokens that followed the same last two tokens in the earlier version."""
    count = min(MAX_PROPOSED_TOKENS, text.max_tokens - len(text.ids) - 1)
    if not text.ids:
        return list(text.earlier_ids[:count])
    matches = [i for i in range(1, len(text.earlier_ids)) if text.earlier_ids[max(0, i - 2) : i] == text.ids[-2:]]
    if not matches:
        return []
    nearest = min(matches, key=lambda match: abs(match - len(text.ids)))  # its position if nothing had changed
    return list(text.earlier_ids[nearest : nearest + count])


def _common_prefix(tokens: Tokens, others: Tokens) -> int:
    """Return the length of the longest common prefix of two token sequences."""
    length = min(len(tokens.positions), len(others.positions))
    same = (tokens.embeddings[:length] == others.embeddings[:length]).all(dim=1).tolist()
    for index in range(length):
        same_position = tokens.positions[index] == others.positions[index]
        if not (same[index] and same_position and tokens.text_bits[index] == others.text_bits[index]):
            return index
    return length
