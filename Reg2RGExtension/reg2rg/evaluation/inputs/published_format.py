"""The published report format: slots ("The region 0 is lung: ..."), sections and region names.

The parsing rules are those of the published evaluation code (Reg2RG, IEEE TMI 2025), so that numbers agree. The
docstrings state where these rules lose text.
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
    """Return whether the text is divided into slots."""
    return _SLOT.search(text) is not None


def plain_text(text: str) -> str:
    """Remove the slot prefixes and, in CTRG texts, the markup of the other report."""
    unwrapped = _OTHER_PART.sub(r"\1 ", _OTHER_REPORT.sub("", text))
    return " ".join(_PREFIX.sub("", unwrapped).split())


def sections_by_region(text: str) -> dict[str, str]:
    """Split a report into its sections.

    A section is assigned to the region named in its text, regardless of its slot number. Slots with the same name are
    joined. Text outside a named region and the other report of CTRG are lost.

    Returns:
        Region -> section text, in alphabetical order.
    """
    sections = {}
    for name, pattern in _SECTIONS.items():
        joined = " ".join(piece for match in pattern.finditer(text) if (piece := match[1].strip()))
        if joined:
            sections[name] = joined
    return sections


def recognized_regions(text: str) -> dict[int, str]:
    """Return the region named in each slot; an unknown name is returned as its first word."""
    return {int(match[1]): region_from_name(match[2]) for match in _SLOT.finditer(text)}


def region_from_name(name: str) -> str:
    """Return the region whose first word matches that of ``name``, or ``name`` if there is none.

    The published evaluation compares first words only.
    """
    words = name.split()
    return _FULL_NAMES.get(words[0] if words else "", name)
