"""From regions to the prompt, and from what comes back to one text per slot (region-report alignment, paper III-C).

Strings are the published ones, letter by letter (reference B.4).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reg2rg.models.special_tokens import SpecialTokens

INSTRUCTION = (
    "Given the provided global and regional information from this CT scan, please generate a comprehensive medical "
    "report for each region. First, identify the anatomical area corresponding to each region, then provide detailed "
    "information about these anatomical structures and any abnormalities that are essential. You can refer to the "
    "global information as the context and take it as a supplement when generating each region report."
)


@dataclass(frozen=True)
class SlotText:
    """What the model wrote about one slot.

    Attributes:
        slot: i in "The region i is".
        recognised: the name the model gave the region, as written.
        start, end: span of the slot's text in the whole output, white space at its ends left out.
        closed: another slot begins after it.
    """

    slot: int
    recognised: str
    start: int
    end: int
    closed: bool


def prompt_ids(tokenizer: Any, special: SpecialTokens, slots: int, *, instruction: bool = True) -> list[int]:
    """Token ids of the prompt for ``slots`` regions, from the beginning of the sequence."""
    return _encode(tokenizer, _prompt_parts(special, slots, instruction))


def training_ids(
    tokenizer: Any, special: SpecialTokens, sections: Sequence[tuple[str, str]], *, instruction: bool = True
) -> tuple[list[int], int]:
    """Ids of prompt and report for sections (region name, text) in slot order, with EOS, and the prompt's length."""
    parts = _prompt_parts(special, len(sections), instruction)
    prompt_length = len(_encode(tokenizer, parts))
    parts[-1] += " " + report_text(sections)
    return [*_encode(tokenizer, parts), tokenizer.eos_token_id], prompt_length


def opening_ids(tokenizer: Any, slot: int, *, instruction: bool = True) -> list[int]:
    """Ids that stand between a prompt and the name of the region, where the text of ``slot`` alone follows it."""
    return section_ids(tokenizer, slot, "", instruction=instruction)


def section_ids(tokenizer: Any, slot: int, written: str, *, instruction: bool = True) -> list[int]:
    """Ids that follow a prompt where ``written`` (the region's name and text) alone is told of ``slot``."""
    last = _last_part(instruction)
    begun = tokenizer.encode(last, add_special_tokens=False)
    return tokenizer.encode(f"{last} The region {slot} is{written}", add_special_tokens=False)[len(begun) :]


def report_text(sections: Sequence[tuple[str, str]]) -> str:
    """The target text for sections (region name, text) in slot order."""
    return "".join(f"The region {slot} is {name}: {text} " for slot, (name, text) in enumerate(sections))


_SLOT = re.compile(r"The region (\d+) is ([^:.\n]{1,60}):")
_SLOT_BEGINS = re.compile(r"The region \d+ is ")


def parse_report(text: str) -> list[SlotText]:
    """Slots in the order written. Text before the first slot belongs to none; of a repeated slot the first counts.

    A slot ends where the next one begins, even if that one's name was cut off.
    """
    slots: dict[int, SlotText] = {}
    for match in _SLOT.finditer(text):
        following = _SLOT_BEGINS.search(text, match.end())
        end = following.start() if following else len(text)
        written = text[match.end() : end]
        start = match.end() + len(written) - len(written.lstrip())
        slot = int(match[1])
        end = match.end() + len(written.rstrip())
        slots.setdefault(slot, SlotText(slot, match[2].strip(), start, end, closed=following is not None))
    return list(slots.values())


def _prompt_parts(special: SpecialTokens, slots: int, instruction: bool) -> list[Any]:
    """Alternating text and special ids; the last part is text."""
    parts: list[Any] = ["The global information is provided as the context: ", special.image]
    for slot in range(slots):
        parts += [f". The region {slot} is ", special.region(slot)]
    return [*parts, _last_part(instruction)]


def _last_part(instruction: bool) -> str:
    return ". " + INSTRUCTION if instruction else "."


def _encode(tokenizer: Any, parts: Sequence[Any]) -> list[int]:
    """BOS, if there is one, and the parts. Text between special tokens is encoded by itself, as the published does."""
    ids = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    for part in parts:
        ids += tokenizer.encode(part, add_special_tokens=False) if isinstance(part, str) else part
    return ids
