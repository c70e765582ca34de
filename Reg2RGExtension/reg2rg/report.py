"""The report: sections in reading order, each tied to a region; JSON is its one stored form.

It holds no patient data, not even the name of the file it was made from.
"""

from __future__ import annotations

import dataclasses
import json
import re
import reprlib
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

import numpy as np
import SimpleITK as sitk

from reg2rg import DRAFT_LABEL
from reg2rg.errors import InputError
from reg2rg.regions import get_region, in_reading_order
from reg2rg.segmentation.masks import RegionMasks
from reg2rg.volumes.checks import LOWEST_HU

SCHEMA_VERSION = 2
"""2 added the precision to the provenance. Reports of version 1 are read, too: scenes and folders hold them."""


class State(str, Enum):
    """How far the review of a section is. Nothing is accepted by default."""

    DRAFT = "draft"
    EDITED = "edited"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Sentence:
    """Characters ``start`` to ``end`` of a section's text.

    Attributes:
        mean_probability, minimum_probability: of the model's tokens in it; None if there are none. They say how sure
            the model was of its words, not of what they claim.
    """

    start: int
    end: int
    mean_probability: float | None
    minimum_probability: float | None


@dataclass(frozen=True)
class Section:
    """What was written about one region.

    Attributes:
        region: the region that was asked about.
        recognised: the name the model gave it, None if it gave none.
        grounded: whether that is the region asked about.
        complete: False if the text was cut off at the token limit.
        approximate: the region was estimated rather than segmented.
        volume_ml, mean_hu: measured in the region's mask, padding left out of the mean.
    """

    region: str
    recognised: str | None
    grounded: bool
    text: str
    sentences: tuple[Sentence, ...]
    complete: bool
    approximate: bool
    volume_ml: float
    mean_hu: float
    state: State = State.DRAFT


@dataclass(frozen=True)
class Geometry:
    """Grid of the volume: voxels, mm, LPS."""

    size: tuple[int, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]

    @classmethod
    def of(cls, image: sitk.Image) -> Geometry:
        return cls(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())


@dataclass(frozen=True)
class Provenance:
    """How the report came about.

    Attributes:
        model, model_sha256: name and hash of the weights.
        decoding: how tokens were drawn.
        precision: of the language model's weights.
        versions: package -> version.
        segmenter, segmenter_reason: what made the regions, and why it did.
        created: UTC, ISO 8601.
        seconds: stage -> seconds.
        geometry: grid of the volume.
    """

    model: str
    model_sha256: str
    decoding: str
    device: str
    precision: str
    seed: int
    max_new_tokens: int
    segmenter: str
    segmenter_reason: str
    versions: dict[str, str]
    created: str
    seconds: dict[str, float]
    geometry: Geometry


@dataclass(frozen=True)
class Report:
    """A draft report.

    Attributes:
        sections: in reading order.
        without_section: region -> why it has none.
        label: stands wherever the draft is shown.
    """

    sections: tuple[Section, ...]
    without_section: dict[str, str]
    provenance: Provenance
    label: str = DRAFT_LABEL
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> str:
        """The stored form."""
        return json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Read what ``to_json`` wrote; InputError says what is wrong with anything else."""
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"The report is not readable as JSON ({error}).") from error
        if not isinstance(values, dict) or "schema_version" not in values:
            raise InputError("This is no report: it has no schema_version.")
        _upgrade(values)
        if values["schema_version"] != SCHEMA_VERSION:
            version = _shown(values["schema_version"])
            raise InputError(f"The report has schema version {version}; this program reads {SCHEMA_VERSION}.")
        report = _read(cls, values, "report")
        in_reading_order([*(section.region for section in report.sections), *report.without_section])  # refuses others
        return report


class Written(Protocol):
    """What generation gives for each region."""

    region: str
    recognised: str | None
    text: str
    tokens: Sequence[Any]
    complete: bool


def build_report(
    written: Sequence[Written],
    volume: sitk.Image,
    masks: RegionMasks,
    provenance: Provenance,
    skipped: Mapping[str, str],
) -> Report:
    """The report of what was written and what is measured; ``skipped``: region -> why it has no text."""
    by_region = {section.region: section for section in written}
    sections = [build_section(by_region[region.name], volume, masks) for region in in_reading_order(by_region)]
    reasons = {region.name: skipped[region.name] for region in in_reading_order(skipped)}
    return Report(tuple(sections), reasons, provenance)


def build_section(written: Written, volume: sitk.Image, masks: RegionMasks) -> Section:
    """The section of one region."""
    volume_ml, mean_hu = _measure(volume, masks, written.region)
    return Section(
        region=get_region(written.region).name,
        recognised=written.recognised,
        grounded=written.recognised == written.region,
        text=written.text,
        sentences=tuple(_sentence(start, end, written.tokens) for start, end in split_sentences(written.text)),
        complete=written.complete,
        approximate=written.region in masks.approximate,
        volume_ml=volume_ml,
        mean_hu=mean_hu,
    )


_END = re.compile(r"[.!?]+[\"')\]]*(?=\s+[\"'(\[]?[A-Z0-9])")
_ABBREVIATION = re.compile(r"\b(?:Dr|Prof|St|approx|ca|cf|e\.g|i\.e|vs|fig|resp|max|min|Th)\.$", re.IGNORECASE)
_NUMBER_FOLLOWS = re.compile(r"\bNo\.\s+\d", re.IGNORECASE)  # "No. 7", but "Effusion? No. Nodule? No."
_LIST_NUMBER = re.compile(r"\s*\d{1,2}\.")


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Spans of the sentences of a text, white space between them left out."""
    spans, start = [], 0
    for match in _END.finditer(text):
        if match[0] != "." or not _goes_on(text, start, match.end()):
            spans.append((start, match.end()))
            start = match.end()
    spans.append((start, len(text)))
    stripped = []
    for first, last in spans:
        piece = text[first:last]
        if piece.strip():
            begin = first + len(piece) - len(piece.lstrip())
            stripped.append((begin, begin + len(piece.strip())))
    return stripped


def _goes_on(text: str, start: int, end: int) -> bool:
    """Whether the full stop before ``end`` does not end the sentence that began at ``start``."""
    piece = text[start:end]
    return bool(
        _ABBREVIATION.search(piece)
        or _LIST_NUMBER.fullmatch(piece)
        or _NUMBER_FOLLOWS.match(text, max(start, end - len("No.")))
    )


def _sentence(start: int, end: int, tokens: Sequence[Any]) -> Sentence:
    inside = [token.probability for token in tokens if token.start < end and token.end > start]
    if not inside:
        return Sentence(start, end, None, None)
    return Sentence(start, end, round(sum(inside) / len(inside), 4), round(min(inside), 4))


def _measure(volume: sitk.Image, masks: RegionMasks, region: str) -> tuple[float, float]:
    """Millilitres and mean HU of a region."""
    box = masks.boxes[region]
    mask = masks.array(region, box)
    hu = sitk.GetArrayViewFromImage(volume)[box][mask]
    measured = hu[hu > LOWEST_HU]
    millilitres = mask.sum() * float(np.prod(volume.GetSpacing())) / 1000
    return round(millilitres, 1), round(float(measured.mean()), 1) if measured.size else float(LOWEST_HU)


def _upgrade(values: dict[str, Any]) -> None:
    """Turn what version 1 stored into what we read; its language models were all in float32."""
    if values["schema_version"] == 1 and isinstance(values.get("provenance"), dict):
        values["provenance"].setdefault("precision", "fp32")
        values["schema_version"] = SCHEMA_VERSION


def _read(kind: Any, value: Any, where: str) -> Any:
    """``value``, from JSON, as ``kind``: a dataclass, enum, tuple, dict, optional or plain type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, value, where)
    if origin is types.UnionType:
        return None if value is None else _read(arguments[0], value, where)
    if origin is tuple and isinstance(value, list):
        return tuple(_read(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    if origin is dict and isinstance(value, dict):
        return {key: _read(arguments[1], item, f"{where}[{_shown(key)}]") for key, item in value.items()}
    if isinstance(kind, type) and issubclass(kind, Enum) and value in [member.value for member in kind]:
        return kind(value)
    if kind is float and type(value) in (int, float) and abs(value) <= sys.float_info.max:  # neither NaN nor infinite
        return float(value)
    if kind is not float and type(value) is kind:
        return value
    raise InputError(f"{where} of the report is {_shown(value)}; expected {getattr(kind, '__name__', kind)}.")


def _read_dataclass(kind: Any, value: Any, where: str) -> Any:
    hints = typing.get_type_hints(kind)
    if not isinstance(value, dict):
        raise InputError(f"{where} is {_shown(value)}; expected an object.")
    missing, unknown = sorted(hints.keys() - value.keys()), sorted(value.keys() - hints.keys())
    if missing or unknown:
        words = [f"has no {', '.join(missing)}"] if missing else []
        words += [f"has unknown {', '.join(map(_shown, unknown[:3]))}"] if unknown else []
        raise InputError(f"{where} is not as schema version {SCHEMA_VERSION} has it: it {' and '.join(words)}.")
    return kind(**{name: _read(hints[name], value[name], f"{where}.{name}") for name in hints})


def _shown(value: Any) -> str:
    """A value for an error message: one short line, which gives away no more than a few words of a report."""
    return f"a {type(value).__name__}" if isinstance(value, (dict, list)) else reprlib.repr(value)
