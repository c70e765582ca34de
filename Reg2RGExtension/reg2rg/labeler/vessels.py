"""Diameters that a text gives for the great vessels, such as "The ascending aorta measures 45 mm"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from reg2rg.labeler.lexicon import load_lexicons
from reg2rg.labeler.location import read_place
from reg2rg.labeler.sentences import split_sentences

_VESSEL = re.compile(
    r"(?P<ascending_aorta>\bascending (?:thoracic )?aort\w*)"
    r"|(?P<descending_aorta>\bdescending (?:thoracic )?aort\w*)"
    r"|(?P<pulmonary_artery>(?:(?<!left )(?<!right )(?:main )?pulmonary artery\b|pulmonary (?:trunk|conus)))"
    r"|(?P<other>\b(?:left|right) pulmonary artery|\baortic (?:arch|root|bulb|annulus)|\bsinus(?:es)?\b"
    r"|\babdominal aorta)"
)
_OTHER_SUBJECT = re.compile(
    r"lymph|\bnodes?\b|\bmass|lesion|nodul|thromb|embol|plaque|calcif|thick|stent|graft|pressure"
    r"|\bflaps?\b|extend|\blength\b|\blong\b"
    r"|^\D*(?:previous|\bprior\b|former)"  # the first length is that of an earlier scan
)
_SMALLEST_MM, _LARGEST_MM = 15, 100
"""Other lengths are not diameters of a great vessel."""


@dataclass(frozen=True)
class VesselDiameter:
    """A diameter that one sentence gives for a vessel.

    Attributes:
        vessel: "ascending_aorta", "descending_aorta" or "pulmonary_artery".
        size_mm: the diameter.
        start: index of the sentence's first character in the text.
        end: index after the sentence's last character.
    """

    vessel: str
    size_mm: float
    start: int
    end: int


def vessel_diameters(text: str) -> tuple[VesselDiameter, ...]:
    """Return the diameters that a text gives for ascending aorta, descending aorta and pulmonary trunk.

    Vessels and lengths of a sentence are paired in their order. A sentence is left out if it names several vessels and
    another number of lengths, or if a length may be that of something else or of an earlier scan.

    Args:
        text: report text.

    Examples:
        >>> text = "The ascending aorta measures 45 mm and the descending aorta 2.8 cm."
        >>> [(each.vessel, each.size_mm) for each in vessel_diameters(text)]
        [('ascending_aorta', 45.0), ('descending_aorta', 28.0)]
    """
    diameters = []
    for start, end in split_sentences(text):
        sentence = text[start:end].lower()
        vessels = [match.lastgroup for match in _VESSEL.finditer(sentence)]
        if not vessels or _OTHER_SUBJECT.search(sentence):
            continue
        lengths = read_place(sentence, load_lexicons().complete).lengths
        if len(vessels) == 1:
            lengths = lengths[:1]
        if len(lengths) != len(vessels):
            continue
        for vessel, length in zip(vessels, lengths, strict=True):
            if vessel and vessel != "other" and _SMALLEST_MM <= length.largest <= _LARGEST_MM:
                diameters.append(VesselDiameter(vessel, length.largest, start, end))
    return tuple(diameters)
