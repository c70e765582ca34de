"""Decoding: generate texts token by token after the prompts of a packed sequence, all of them in one pass per step.

A text that is regenerated can be given its earlier version. Tokens of the earlier version are then appended to the
newest token in the same pass, and those that the model would have chosen are accepted. The result is the same, but one
pass adds many tokens where both versions agree (speculative decoding with prompt lookup).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from reg2rg.inference.packed_sequence import PackedSequence, Tokens
from reg2rg.inference.sampling import Sampler

MAX_PROPOSED_TOKENS = 31
"""Maximum number of tokens of an earlier version that one pass tries."""


@dataclass
class TextState:
    """A text that is being generated.

    Attributes:
        text_bits: the bit of this text in the packed sequence, or the bits of all regions that share this text.
        start_ids: token IDs that the text begins with but that are not generated; at least the prompt's last token.
        start_position: position of the first of these tokens.
        max_tokens: number of tokens that may be generated.
        earlier_ids: generated token IDs of its earlier version.
        ids: generated token IDs so far, without the one that ended the text.
        probabilities: their probabilities.
        complete: whether the text ended with an end-of-sequence token rather than at the token limit.
        ended: whether generation has ended.
    """

    text_bits: int
    start_ids: Sequence[int]
    start_position: int
    max_tokens: int
    earlier_ids: list[int] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    complete: bool = False
    ended: bool = False

    def append(self, token_id: int, probability: float, eos_token_id: int) -> None:
        """Append a chosen token, or end the text with it."""
        self.complete = token_id == eos_token_id
        if not self.complete:
            self.ids.append(token_id)
            self.probabilities.append(probability)
        self.ended = self.complete or len(self.ids) >= self.max_tokens


def decode(
    sequence: PackedSequence,
    embed: Callable[[Sequence[int]], Tensor],
    texts: Sequence[TextState],
    eos_token_id: int,
    sampler: Sampler,
) -> Iterator[list[TextState]]:
    """Generate the texts until each has ended.

    A text ends with an end-of-sequence token, at its token limit, or when the caller sets ``ended``.

    Args:
        sequence: the packed sequence, with all prompts in it.
        embed: maps token IDs to embeddings (N, width).
        texts: the texts to generate.
        eos_token_id: ID of the end-of-sequence token.
        sampler: chooses the tokens.

    Yields:
        The texts that have grown, after every pass.
    """
    while growing := [text for text in texts if not text.ended]:
        steps = [_Step(text, propose=sampler.greedy) for text in growing]
        logits = sequence.append(_tokens(steps, embed), _logit_indices(steps))
        rows = [step.text.text_bits.bit_length() for step in steps for _ in step.logit_indices]
        choices = iter(sampler.choose(logits, rows))
        end = len(sequence) - sum(len(step.ids) for step in steps)
        for step in steps:
            end += len(step.ids)
            rejected = step.accept([next(choices) for _ in step.logit_indices], eos_token_id)
            sequence.hide(end - rejected, end)
        yield growing


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
            self.position = text.start_position + len(text.start_ids) + len(text.ids) - 1
        else:
            newest = list(text.start_ids)
            self.position = text.start_position
        self.proposed = _propose(text) if propose else []
        self.ids = [*newest, *self.proposed]
        self.logit_indices = range(len(newest) - 1, len(self.ids))

    def accept(self, choices: Sequence[tuple[int, float]], eos_token_id: int) -> int:
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


def _tokens(steps: Sequence[_Step], embed: Callable[[Sequence[int]], Tensor]) -> Tokens:
    ids = [token_id for step in steps for token_id in step.ids]
    positions = [step.position + i for step in steps for i in range(len(step.ids))]
    return Tokens(embed(ids), positions, [step.text.text_bits for step in steps for _ in step.ids])


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
