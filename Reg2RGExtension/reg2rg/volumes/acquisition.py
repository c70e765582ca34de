"""Acquisition tags of a DICOM header. No other values of a header are passed on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import SimpleITK as sitk

from reg2rg.volumes.dicom_folder import header_errors

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_KERNEL, _VOLTAGE, _THICKNESS, _CONTRAST = "0018|1210", "0018|0060", "0018|0050", "0018|0010"
"""Keys of the tags in an image, as GDCM and ITK write them."""

_KEYWORDS = {
    _KERNEL: "ConvolutionKernel",
    _VOLTAGE: "KVP",
    _THICKNESS: "SliceThickness",
    _CONTRAST: "ContrastBolusAgent",
}
_NUMBERS = (_VOLTAGE, _THICKNESS)
_MAXIMUM_LENGTH = 32

_SOFT_NAMES = ("SOFT", "STANDARD", "STND", "DETAIL", "CHST", "A", "B", "C", "BODY", "SB")
_SHARP_NAMES = ("LUNG", "BONE", "BONEPLUS", "BONE+", "EDGE", "ULTRA", "L", "D", "E", "F", "YA", "YB", "YC", "YD")
"""Kernels of GE and Philips."""

_SIEMENS_KERNEL = re.compile(r"[BHITUQ][A-Z]{0,2}(\d{2})[A-Z]{0,2}")
_CANON_KERNEL = re.compile(r"FC(\d{2})")
_AGENT = re.compile(
    r"(?:omnipaque|iohexol|visipaque|iodixanol|ultravist|iopromide|isovue|iopami\w+|optiray|ioversol|imeron|iomer\w+"
    r"|xenetix|iobitridol|oxilan|ioxilan|accupaque|solutrast)(?: *\d{3}\b)?",
    re.IGNORECASE,
)
UNKNOWN_AGENT = "a contrast agent"
"""Stands for other text: operators type it, and it may name the patient (PS3.15, table E.1-1)."""
_NO_AGENT = ("", "NO", "NONE", "N", "WITHOUT", "NO CONTRAST", "NON CONTRAST", "W/O", "ORAL")


@dataclass(frozen=True)
class AcquisitionTags:
    """Hints of a DICOM header. Headers are sometimes wrong or changed by anonymizers: the image decides.

    Attributes:
        kernel: name of the reconstruction kernel, such as "B31f"; empty if unknown.
        tube_voltage_kv: peak voltage of the X-ray tube.
        slice_thickness_mm: thickness of a slice, which may differ from the distance between slices.
        contrast_agent: name of the contrast medium, UNKNOWN_AGENT if it is not a known one; empty if none is named.
    """

    kernel: str = ""
    tube_voltage_kv: float | None = None
    slice_thickness_mm: float | None = None
    contrast_agent: str = ""

    @classmethod
    def of(cls, image: sitk.Image) -> AcquisitionTags:
        """Return the tags that an image carries."""
        texts = {key: _clean(image.GetMetaData(key)) if image.HasMetaDataKey(key) else "" for key in _KEYWORDS}
        agent = texts[_CONTRAST]
        return cls(
            texts[_KERNEL],
            _positive(texts[_VOLTAGE]),
            _positive(texts[_THICKNESS]),
            "" if agent.upper() in _NO_AGENT else found[0] if (found := _AGENT.search(agent)) else UNKNOWN_AGENT,
        )

    @property
    def sharp_kernel(self) -> bool | None:
        """Whether the kernel is known as a sharp one; None if its name is not known."""
        name = self.kernel.upper()
        if found := _SIEMENS_KERNEL.fullmatch(name):
            return int(found[1]) >= 50
        if found := _CANON_KERNEL.fullmatch(name):
            return int(found[1]) >= 30
        if name in _SHARP_NAMES:
            return True
        return False if name in _SOFT_NAMES else None


def copy_tags(source: sitk.Image, target: sitk.Image) -> None:
    """Copy the tags of AcquisitionTags, and nothing else, from one image to another."""
    for key in _KEYWORDS:
        if source.HasMetaDataKey(key):
            _set(target, key, source.GetMetaData(key))


def set_tags(image: sitk.Image, header: Dataset) -> None:
    """Attach the tags of a classic or enhanced DICOM header to an image."""
    for key, keyword in _KEYWORDS.items():
        for dataset in _places(header):
            try:
                value = dataset.get(keyword)
            except header_errors():
                continue
            if value:
                _set(image, key, str(value if isinstance(value, (str, float, int)) else value[0]))
                break


def _places(header: Dataset) -> Iterator[Dataset]:
    """Yield a header, and the groups of an enhanced one that all frames share (PS3.3, C.7.6.16 and C.8.15.3)."""
    yield header
    for groups in (header.get("SharedFunctionalGroupsSequence") or [])[:1]:
        for element in groups:
            if element.VR == "SQ" and element.value:
                yield element.value[0]


def _set(image: sitk.Image, key: str, value: str) -> None:
    text = _clean(value)
    if text and (key not in _NUMBERS or _positive(text) is not None):
        image.SetMetaData(key, text)


def _clean(text: str) -> str:
    return "".join(character for character in text if character.isprintable()).strip()[:_MAXIMUM_LENGTH]


def _positive(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 < number < 1e4 else None
