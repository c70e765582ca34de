"""Training texts: prompts and the reports that follow them, packed as inference packs them.

A model that writes its regions in parallel is trained to do so: each section sees only the prompt and itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import torch
from torch import Tensor

from reg2rg.inference.packed_sequence import attention_mask
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.prompting import opening_ids, prompt_ids, section_ids, training_ids

Sections = Sequence[tuple[str, str]]
"""(region name, text) of each section, in slot order."""

IGNORED = -100
"""Label of tokens that the loss ignores, as in transformers."""


@dataclass
class PackedText:
    """One prompt with the sections that follow it.

    Attributes:
        ids: token ids of the prompt without its last token, then for each section the prompt's last token and the
            section's own tokens.
        positions: position of each token in its section's text.
        texts: bit set of the sections that each token belongs to.
        labels: the ids to learn; IGNORED elsewhere.
    """

    ids: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    texts: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)

    def add(self, ids: Sequence[int], position: int, texts: int, learned_from: int) -> None:
        """Append tokens.

        Args:
            ids: the tokens.
            position: position of the first one.
            texts: bit set of the sections that they belong to.
            learned_from: number of leading tokens that are not learned.
        """
        self.ids += ids
        self.positions += range(position, position + len(ids))
        self.texts += [texts] * len(ids)
        self.labels += [IGNORED] * learned_from + list(ids[learned_from:])


def pack_text(model: Reg2RG, sections: Sections) -> PackedText:
    """Pack one prompt with its sections.

    Args:
        model: determines the tokenizer, the prompt, and whether sections are written in parallel.
        sections: the sections.

    Returns:
        The packed text.
    """
    tokenizer, special, instruction = model.tokenizer, model.special, model.config.instruction
    *prompt, last = prompt_ids(tokenizer, special, len(sections), instruction=instruction)
    position, all_texts = len(prompt), (1 << len(sections)) - 1
    packed = PackedText()
    packed.add(prompt, 0, all_texts, learned_from=len(prompt))
    if not model.config.parallel:
        ids, prompt_length = training_ids(tokenizer, special, sections, instruction=instruction)
        packed.add(ids[prompt_length - 1 :], position, all_texts, learned_from=1)
        return packed
    for slot, (name, text) in enumerate(sections):
        opening = opening_ids(tokenizer, slot, instruction=instruction)
        ids = section_ids(tokenizer, slot, f" {name}: {text} ", instruction=instruction)
        packed.add([last, *ids, tokenizer.eos_token_id], position, 1 << slot, learned_from=1 + len(opening))
    return packed


@dataclass(frozen=True)
class TextBatch:
    """Packed texts, right-padded to the longest one.

    Attributes:
        ids: (B, N) token ids.
        positions: (B, N) positions.
        labels: (B, N) ids to learn; IGNORED elsewhere.
        attention_mask: (B, 1, N, N), additive.
    """

    ids: Tensor
    positions: Tensor
    labels: Tensor
    attention_mask: Tensor

    def to(self, device: torch.device) -> TextBatch:
        """Return the batch on a device."""
        return TextBatch(*(getattr(self, field.name).to(device) for field in fields(self)))


def collate_texts(texts: Sequence[PackedText]) -> TextBatch:
    """Pad packed texts to a batch. A text attends neither to padding nor to tokens of other sections.

    Args:
        texts: B packed texts.

    Returns:
        The batch.
    """
    longest = max(len(text.ids) for text in texts)

    def pad(rows: list[list[int]], value: int) -> Tensor:
        return torch.tensor([row + [value] * (longest - len(row)) for row in rows])

    bits = pad([text.texts for text in texts], 0)
    return TextBatch(
        ids=pad([text.ids for text in texts], 0),
        positions=pad([text.positions for text in texts], 0),
        labels=pad([text.labels for text in texts], IGNORED),
        attention_mask=torch.stack([attention_mask(row, row, torch.float32) for row in bits]),
    )
