"""Prompts and answers: turn regions into token IDs, and generated text back into one text per region.

This is the region-report alignment of the paper (Reg2RG, IEEE TMI 2025, section III-C; arXiv:2411.15539): every region
has a slot in the prompt, and the model first names the region of a slot and then describes it. All strings match the
published code exactly.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reg2rg.models.special_tokens import SpecialTokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

INSTRUCTION = (
    "Given the provided global and regional information from this CT scan, please generate a comprehensive medical "
    "report for each region. First, identify the anatomical area corresponding to each region, then provide detailed "
    "information about these anatomical structures and any abnormalities that are essential. You can refer to the "
    "global information as the context and take it as a supplement when generating each region report."
)
"""Instruction at the end of the published prompt."""

_SLOT = re.compile(r"The region (\d+) is ([^:.\n]{1,60}):")
_SLOT_START = re.compile(r"The region \d+ is ")


@dataclass(frozen=True)
class SlotText:
    """The text that the model wrote for one slot.

    Attributes:
        slot: the number i in "The region i is".
        recognized: name that the model gave the region, as written.
        start: index of the first character of the text in the whole output, without leading whitespace.
        end: index after the last character of the text, without trailing whitespace.
        closed: whether another slot starts after the text.
    """

    slot: int
    recognized: str
    start: int
    end: int
    closed: bool


def prompt_ids(
    tokenizer: PreTrainedTokenizerBase, special: SpecialTokens, slots: int, *, instruction: bool = True
) -> list[int]:
    """Return the token IDs of a prompt, from the start of the sequence.

    Args:
        tokenizer: tokenizer of the language model.
        special: IDs of the special tokens that stand for the volume and its regions.
        slots: number of regions.
        instruction: whether the prompt ends with INSTRUCTION, as in the published code.
    """
    return _encode(tokenizer, _prompt_parts(special, slots, instruction))


def training_ids(
    tokenizer: PreTrainedTokenizerBase,
    special: SpecialTokens,
    sections: Sequence[tuple[str, str]],
    *,
    instruction: bool = True,
) -> tuple[list[int], int]:
    """Return the token IDs of a prompt and its report, ending with EOS.

    Args:
        tokenizer: tokenizer of the language model.
        special: IDs of the special tokens that stand for the volume and its regions.
        sections: region name and text of each slot, in slot order.
        instruction: whether the prompt ends with INSTRUCTION, as in the published code.

    Returns:
        The IDs, and how many of them belong to the prompt.
    """
    parts = _prompt_parts(special, len(sections), instruction)
    prompt_length = len(_encode(tokenizer, parts))
    report = f"{_last_part(instruction)} {report_text(sections)}"
    return [*_encode(tokenizer, [*parts[:-1], report]), tokenizer.eos_token_id], prompt_length


def opening_ids(tokenizer: PreTrainedTokenizerBase, slot: int, *, instruction: bool = True) -> list[int]:
    """Return the token IDs between a prompt and the region's name when only one slot is generated.

    Args:
        tokenizer: tokenizer of the language model.
        slot: index of the slot.
        instruction: whether the prompt ends with INSTRUCTION, as in the published code.
    """
    return section_ids(tokenizer, slot, "", instruction=instruction)


def section_ids(tokenizer: PreTrainedTokenizerBase, slot: int, written: str, *, instruction: bool = True) -> list[int]:
    """Return the token IDs that follow a prompt when only one slot is generated.

    Args:
        tokenizer: tokenizer of the language model.
        slot: index of the slot.
        written: the region's name and text, as in " lung: Clear. "; may be empty or incomplete.
        instruction: whether the prompt ends with INSTRUCTION, as in the published code.
    """
    last = _last_part(instruction)
    prompt_end = tokenizer.encode(last, add_special_tokens=False)
    return tokenizer.encode(f"{last} The region {slot} is{written}", add_special_tokens=False)[len(prompt_end) :]


def report_text(sections: Sequence[tuple[str, str]]) -> str:
    """Return the text that the model is trained to write.

    Args:
        sections: region name and text of each slot, in slot order.
    """
    return "".join(f"The region {slot} is {name}: {text} " for slot, (name, text) in enumerate(sections))


def parse_report(text: str) -> list[SlotText]:
    """Split generated text into slots, in the order in which they were written.

    Text before the first slot is dropped. If a slot is repeated, only its first text counts. A slot ends where the next
    one starts, even if the next one's name is incomplete.

    Args:
        text: output of the model after the prompt.
    """
    slots: dict[int, SlotText] = {}
    for match in _SLOT.finditer(text):
        following = _SLOT_START.search(text, match.end())
        written = text[match.end() : following.start() if following else len(text)]
        start = match.end() + len(written) - len(written.lstrip())
        end = match.end() + len(written.rstrip())
        slot = int(match[1])
        slots.setdefault(slot, SlotText(slot, match[2].strip(), start, end, closed=following is not None))
    return list(slots.values())


def _prompt_parts(special: SpecialTokens, slots: int, instruction: bool) -> list[str | list[int]]:
    """Return the texts and special token IDs that make up a prompt, alternating; the last part is text."""
    parts: list[str | list[int]] = ["The global information is provided as the context: ", special.image]
    for slot in range(slots):
        parts += [f". The region {slot} is ", special.region(slot)]
    return [*parts, _last_part(instruction)]


def _last_part(instruction: bool) -> str:
    return ". " + INSTRUCTION if instruction else "."


def _encode(tokenizer: PreTrainedTokenizerBase, parts: Sequence[str | list[int]]) -> list[int]:
    """Return the IDs of BOS (if the tokenizer has one) and of all parts; each text is encoded alone, as published."""
    ids = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    for part in parts:
        ids += tokenizer.encode(part, add_special_tokens=False) if isinstance(part, str) else part
    return ids
