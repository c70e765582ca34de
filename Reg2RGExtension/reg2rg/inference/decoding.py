"""Decoding: texts grow token by token behind the prompts of a packed sequence, all in one pass a step.

A text that is written anew can be given what was written before. Tokens of the old text are then put behind the newest
one in the same pass, and those that the model would have drawn itself are kept: the result is what it would be without
them, but where old and new agree a pass writes many tokens (speculative decoding by prompt lookup).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from reg2rg.inference.packed_sequence import PackedSequence, Tokens
from reg2rg.inference.sampling import Sampler

PROPOSED = 31
"""Most tokens of an earlier text that one pass tries."""


@dataclass
class Text:
    """A text that is being written.

    Attributes:
        bits: the bit of this text in the packed sequence; of several regions in one text, the bits of all.
        start: ids that it begins with and that nobody draws: at least the prompt's last token.
        position: place of the first of them.
        room: how many tokens it may draw.
        earlier: ids that were drawn, in a list, when it was written before.
        drawn, probabilities: its tokens so far, without the one that ended it.
        whole: it ended by itself, not for want of room.
        ended: nothing more is drawn.
    """

    bits: int
    start: Sequence[int]
    position: int
    room: int
    earlier: list[int] = field(default_factory=list)
    drawn: list[int] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    whole: bool = False
    ended: bool = False

    def take(self, token: int, probability: float, eos: int) -> None:
        """Go on with a token that was chosen."""
        self.whole = token == eos
        if not self.whole:
            self.drawn.append(token)
            self.probabilities.append(probability)
        self.ended = self.whole or len(self.drawn) >= self.room


def decode(
    sequence: PackedSequence,
    embed: Callable[[Sequence[int]], Tensor],
    texts: Sequence[Text],
    eos: int,
    chooser: Sampler,
) -> Iterator[list[Text]]:
    """Let the texts grow; yields those that have grown after every pass, until all have ended.

    A text ends with ``eos``, when its room is used up, or when the caller sets ``ended``.

    Args:
        embed: ids to embeddings (N, width).
    """
    while growing := [text for text in texts if not text.ended]:
        steps = [_Step(text, chooser.sampling is None) for text in growing]
        logits = sequence.add(_tokens(steps, embed), _wanted(steps))
        chosen = iter(chooser.choose(logits, [step.text.bits.bit_length() for step in steps for _ in step.choices]))
        end = len(sequence) - sum(len(step.ids) for step in steps)
        for step in steps:
            end += len(step.ids)
            wrong = step.finish([next(chosen) for _ in step.choices], eos)
            sequence.hide(end - wrong, end)
        yield growing


class _Step:
    """What a text adds in one pass: ids that it has, then ``proposed`` ones that it may go on with.

    Attributes:
        choices: indices of the ids behind which the model's choice is wanted: the last it has, and each proposed one.
    """

    def __init__(self, text: Text, proposing: bool) -> None:
        self.text = text
        has = text.drawn[-1:] or list(text.start)
        self.position = text.position + (len(text.start) + len(text.drawn) - 1 if text.drawn else 0)
        self.proposed = _proposal(text) if proposing else []
        self.ids = [*has, *self.proposed]
        self.choices = range(len(has) - 1, len(self.ids))

    def finish(self, chosen: Sequence[tuple[int, float]], eos: int) -> int:
        """Take what was chosen as far as the proposed ids were right; returns how many of them were wrong."""
        for right, (token, probability) in enumerate(chosen):
            self.text.take(token, probability, eos)
            if self.text.ended or right == len(self.proposed) or token != self.proposed[right]:
                break
        return len(self.proposed) - right


def _tokens(steps: Sequence[_Step], embed: Callable[[Sequence[int]], Tensor]) -> Tokens:
    ids = [token for step in steps for token in step.ids]
    positions = [step.position + i for step in steps for i in range(len(step.ids))]
    return Tokens(embed(ids), positions, [step.text.bits for step in steps for _ in step.ids])


def _wanted(steps: Sequence[_Step]) -> list[int]:
    first = itertools.accumulate((len(step.ids) for step in steps), initial=0)
    return [start + index for start, step in zip(first, steps, strict=False) for index in step.choices]


def _proposal(text: Text) -> list[int]:
    """What followed in the earlier text where it last read as this one does now; its beginning at first."""
    earlier, drawn, most = text.earlier, text.drawn, min(PROPOSED, text.room - len(text.drawn) - 1)
    if not drawn:
        return list(earlier[:most])
    here = len(drawn)  # where the earlier text would be read on if nothing had changed
    places = [i for i in range(1, len(earlier)) if earlier[max(0, i - 2) : i] == drawn[-2:]]
    if not places:
        return []
    nearest = min(places, key=lambda place: abs(place - here))
    return list(earlier[nearest : nearest + most])
