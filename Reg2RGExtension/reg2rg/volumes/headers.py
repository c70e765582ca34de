"""Headers of NRRD and MetaImage files, checked before ITK reads them.

ITK trusts what a header says: it allocates any size, and some contradictions crash or hang it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

_LINE_LIMIT = 1 << 20
_FIELD_LIMIT = 1000
_MAXIMUM_DIMENSION = 8
_MAXIMUM_FILES = 100_000
_DEFLATE_RATIO = 1032
"""Bytes that one byte of deflate can stand for at most (RFC 1951)."""

_LARGEST = 1e9
"""Largest plausible coordinate or distance in a header, in mm."""

_LARGEST_COSINE = 1.01

_NRRD_TYPES = {
    1: "char signed_char int8 int8_t uchar unsigned_char uint8 uint8_t",
    2: "short short_int signed_short signed_short_int int16 int16_t ushort unsigned_short unsigned_short_int uint16 "
    "uint16_t",
    4: "int signed_int int32 int32_t uint unsigned_int uint32 uint32_t float",
    8: "longlong long_long long_long_int signed_long_long signed_long_long_int int64 int64_t ulonglong "
    "unsigned_long_long unsigned_long_long_int uint64 uint64_t double",
}
_METAIMAGE_TYPES = {
    1: "met_char met_uchar met_ascii_char",
    2: "met_short met_ushort",
    4: "met_int met_uint met_float met_long met_ulong",
    8: "met_double met_long_long met_ulong_long",
}
_NRRD_AXES = ("sizes", "kinds", "spacings", "thicknesses", "axis mins", "axismins", "axis maxs", "axismaxs", "centers",
              "centerings")  # fmt: skip
"""Fields of an NRRD header with one word for each axis."""

_NRRD_TEXT = ("ascii", "text", "txt")
_METAIMAGE_AXES = {"dimsize": 1, "elementspacing": 1, "elementsize": 1, "offset": 1, "position": 1, "origin": 1,
                   "centerofrotation": 1, "transformmatrix": 2, "rotation": 2, "orientation": 2}  # fmt: skip
"""Fields of a MetaImage header with one number for each axis, or for each pair of axes."""

_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b-\x1f]")
"""Characters at some of which ITK crashes; text has only tabs and ends of lines."""


def nrrd_fields(file: IO[bytes]) -> Iterator[tuple[str, str]]:
    """Yield the fields of an NRRD header and leave the file at its data."""
    if not file.readline(_LINE_LIMIT).startswith(b"NRRD"):
        raise ValueError("it has no NRRD header")
    while line := file.readline(_LINE_LIMIT).decode("latin-1").rstrip("\r\n"):
        name, separator, value = line.partition(":")
        if not line.startswith("#"):
            if not separator or (len(line) > _FIELD_LIMIT and not value.startswith("=")):
                raise ValueError(f"its header has the line {line[:40]!r}")
            if _CONTROL_CHARACTER.search(line):
                raise ValueError(f"its header has control characters in the line {line[:40]!r}")
            yield name.strip().lower(), value.strip()


def metaimage_fields(file: IO[bytes]) -> Iterator[tuple[str, str]]:
    """Yield the fields of a MetaImage header and leave the file at its data, which follow the field ElementDataFile."""
    while line := file.readline(_LINE_LIMIT).decode("latin-1"):
        name, separator, value = line.partition("=")
        if not separator:
            raise ValueError(f"its header has the line {line[:40]!r}")
        yield name.strip().lower(), value.strip()
        if name.strip().lower() == "elementdatafile":
            return
    raise ValueError("it has no MetaImage header")


def check_nrrd_header(path: Path) -> None:
    """Raise a ValueError if the header of an NRRD file contradicts itself or the length of the data."""
    with path.open("rb") as file:
        fields = _distinct(nrrd_fields(file))
        data = file.read() if fields.get("encoding", "").lower() in _NRRD_TEXT else b""
    dimension = _dimension(fields.get("dimension", ""))
    for name in _NRRD_AXES:
        if name in fields and len(fields[name].split()) != dimension:
            raise ValueError(f"its header has {len(fields[name].split())} {name} for {dimension} axes")
    vectors = re.findall(r"\([^()]*\)|none", fields.get("space directions", ""))
    if vectors and len(vectors) != dimension:
        raise ValueError(f"its header has {len(vectors)} space directions for {dimension} axes")
    geometry = ("space directions", "space origin", "measurement frame", "spacings")
    _check_numbers(number for name in geometry for number in re.findall(r"[^\s(),]+", fields.get(name, "")))
    voxels = _product(fields["sizes"].split()) if "sizes" in fields else 0
    if data and (re.search(rb"[^0-9eE.+\-\s]", data) or len(data.split()) < voxels):
        raise ValueError("its data are not the numbers that its header describes")
    _check_pattern(fields.get("data file", fields.get("datafile", "")))
    expected = voxels * _item_bytes(_NRRD_TYPES, fields.get("type", ""))
    if "data file" not in fields and "datafile" not in fields and not data:
        _check_length(path, expected, fields.get("encoding", "").lower() != "raw")


def check_metaimage_header(path: Path) -> None:
    """Raise a ValueError if the header of a MetaImage file contradicts itself or the length of the data."""
    with path.open("rb") as file:
        fields = _distinct(metaimage_fields(file))
    dimension = _dimension(fields.get("ndims", ""))
    for name, power in _METAIMAGE_AXES.items():
        words = fields.get(name, "").split()
        if words and len(words) != dimension**power:
            raise ValueError(f"its header has {len(words)} values of {name} for {dimension} axes")
        _check_numbers(words, _LARGEST if power == 1 else _LARGEST_COSINE)
    channels = _product([fields.get("elementnumberofchannels", "1")])
    item_bytes = _item_bytes(_METAIMAGE_TYPES, fields.get("elementtype", "").removesuffix("_ARRAY"))
    expected = _product(fields.get("dimsize", "").split()) * channels * item_bytes
    name = fields["elementdatafile"]
    _check_pattern(name)
    if "%" not in name and not name.upper().startswith("LIST"):
        data = path if name.upper() == "LOCAL" else path.parent / name
        length = data.stat().st_size if data.is_file() else 0
        for size, least in (("compresseddatasize", 0), ("headersize", -1)):
            if not least <= float(fields.get(size, "0")) <= length:
                raise ValueError(f"its header has the {size} {fields[size][:40]!r}")
        _check_length(data, expected, fields.get("compresseddata", "").lower() == "true")


def _distinct(fields: Iterator[tuple[str, str]]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name, value in fields:
        if name in found and not value.startswith("="):  # key/value pairs of NRRD, "key:=value", may repeat
            raise ValueError(f"its header has the field {name[:40]!r} twice")
        found[name] = value
    return found


def _dimension(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MAXIMUM_DIMENSION:
        raise ValueError(f"its header has the dimension {text[:40]!r}")
    return int(text)


def _product(words: list[str]) -> int:
    """Return the product of positive integers; ValueError if a word is something else."""
    if not words or not all(word.isdecimal() and int(word) for word in words):
        raise ValueError(f"its header has the size {' '.join(words)[:40]!r}")
    return math.prod(int(word) for word in words)


def _check_numbers(words: Iterable[str], largest: float = _LARGEST) -> None:
    for word in words:
        if word.lower() not in ("none", "nan") and not abs(float(word)) <= largest:
            raise ValueError(f"its geometry contains {word[:40]!r}")


def _check_pattern(name: str) -> None:
    """Raise a ValueError if the name of a data file is a pattern for printf that ITK should not be given."""
    if "%" in name:
        match = re.fullmatch(r"[^%]*%0?\d{0,2}[du][^%]*?\s+(-?\d{1,9})\s+(-?\d{1,9})(\s+-?\d{1,9}){0,2}", name)
        if match is None or abs(int(match[2]) - int(match[1])) > _MAXIMUM_FILES:
            raise ValueError(f"its data are in the files {name[:40]!r}")


def _check_length(data: Path, expected: int, compressed: bool) -> None:
    length = data.stat().st_size if data.is_file() else 0
    if length * (_DEFLATE_RATIO if compressed else 1) < expected:
        raise ValueError(f"it has {length} bytes for {expected} bytes of data")


def _item_bytes(types: Mapping[int, str], name: str) -> int:
    for item_bytes, names in types.items():
        if "_".join(name.lower().split()) in names.split():
            return item_bytes
    raise ValueError(f"its header has the type {name[:40]!r}")
