"""From a published report text to plain text, to sections by region, and to the names its slots were given.

Rules are the published evaluation's (reference C.1, C.2), so that numbers agree; where they lose text, it is said so.
"""

from __future__ import annotations

import re

from reg2rg.regions import REGION_NAMES

_PREFIX = re.compile(r"The region \d+ is [^:]+: ")
_SLOT = re.compile(r"The region (\d+) is (\w+)")
_OTHER_REPORT = re.compile(r"The other report is:?")
_OTHER_PART = re.compile(r"\{[^:{}]*:\s*([^{}]*)\}")
_SECTIONS = {
    name: re.compile(
        rf"The region \d+ is {re.escape(name)}:(.+?)(?=The region \d+ is|The other report is|$)", re.DOTALL
    )
    for name in REGION_NAMES
}
_FULL_NAMES = {name.split()[0]: name for name in REGION_NAMES}


def has_slots(text: str) -> bool:
    """Whether the text is divided by "The region i is"."""
    return _SLOT.search(text) is not None


def plain_text(text: str) -> str:
    """The report without "The region i is ...:" and, in CTRG's texts, without the wrapping of the other report."""
    unwrapped = _OTHER_PART.sub(r"\1 ", _OTHER_REPORT.sub("", text))
    return " ".join(_PREFIX.sub("", unwrapped).split())


def sections_by_region(text: str) -> dict[str, str]:
    """Region -> what stands under its name, in alphabetical order; several slots of one name are joined.

    The slot's number is ignored, so text of swapped regions is filed by the name it was given. Text under no name of a
    region, and CTRG's other report, belong to no section.
    """
    sections = {}
    for name, pattern in _SECTIONS.items():
        joined = " ".join(piece for match in pattern.finditer(text) if (piece := match[1].strip()))
        if joined:
            sections[name] = joined
    return sections


def recognized_regions(text: str) -> dict[int, str]:
    """Slot -> region that its first word names; a name of none of the ten stays as that word."""
    return {int(match[1]): region_from_name(match[2]) for match in _SLOT.finditer(text)}


def region_from_name(words: str) -> str:
    """The region whose first word that is, as the published evaluation tells regions apart; else the words."""
    return _FULL_NAMES.get(words.split()[0] if words.split() else "", words)
