"""Training texts: prompts and the reports that continue them, as the packed sequences that generation writes.

A config that writes its regions in parallel is taught so, too: each section sees the prompt and itself alone.
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
"""(region name, text) in slot order."""

IGNORED = -100


@dataclass
class PackedText:
    """One prompt and what is written about its regions.

    Attributes:
        ids: the prompt without its last token; then for each text the prompt's last token and its own ids.
        positions: place of each id in its text.
        texts: bit set of the texts that each id belongs to.
        labels: the ids that are to be learned, IGNORED elsewhere.
    """

    ids: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    texts: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)

    def add(self, ids: Sequence[int], position: int, texts: int, learned_from: int) -> None:
        """Append ids that belong to these texts, to be learned from an index of theirs on."""
        self.ids += ids
        self.positions += range(position, position + len(ids))
        self.texts += [texts] * len(ids)
        self.labels += [IGNORED] * learned_from + list(ids[learned_from:])


def packed_text(model: Reg2RG, sections: Sections) -> PackedText:
    """The packed text of one prompt for these sections."""
    tokenizer, special, instruction = model.tokenizer, model.special, model.config.instruction
    *prompt, last = prompt_ids(tokenizer, special, len(sections), instruction=instruction)
    place, everyone = len(prompt), (1 << len(sections)) - 1
    packed = PackedText()
    packed.add(prompt, 0, everyone, learned_from=len(prompt))
    if not model.config.parallel:
        ids, prompt_length = training_ids(tokenizer, special, sections, instruction=instruction)
        packed.add(ids[prompt_length - 1 :], place, everyone, learned_from=1)
        return packed
    for slot, (name, text) in enumerate(sections):
        opening = opening_ids(tokenizer, slot, instruction=instruction)
        ids = section_ids(tokenizer, slot, f" {name}: {text} ", instruction=instruction)
        packed.add([last, *ids, tokenizer.eos_token_id], place, 1 << slot, learned_from=1 + len(opening))
    return packed


@dataclass(frozen=True)
class TextBatch:
    """Packed texts, right-padded: ids, positions and labels (B, N), and an additive attention mask (B, 1, N, N)."""

    ids: Tensor
    positions: Tensor
    labels: Tensor
    attention_mask: Tensor

    def to(self, device: torch.device) -> TextBatch:
        """These on a device."""
        return TextBatch(*(getattr(self, field.name).to(device) for field in fields(self)))


def collate_texts(texts: Sequence[PackedText]) -> TextBatch:
    """A batch of packed texts; what a text does not see (padding least of all) does not change it."""
    longest = max(len(text.ids) for text in texts)

    def padded(rows: list[list[int]], value: int) -> Tensor:
        return torch.tensor([row + [value] * (longest - len(row)) for row in rows])

    bits = padded([text.texts for text in texts], 0)
    return TextBatch(
        ids=padded([text.ids for text in texts], 0),
        positions=padded([text.positions for text in texts], 0),
        labels=padded([text.labels for text in texts], IGNORED),
        attention_mask=torch.stack([attention_mask(row, row, torch.float32) for row in bits]),
    )
