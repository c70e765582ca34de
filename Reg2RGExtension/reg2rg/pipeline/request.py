"""What a report is asked for with: one dataclass, whether it comes from the command line or the worker's input."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reg2rg.errors import InputError
from reg2rg.regions import get_region

DECODINGS = ("auto", "sequence", "parallel")


@dataclass(frozen=True)
class SegmentRequest:
    """A request for the regions of one volume.

    Attributes:
        volume: the CT, a file or a DICOM folder.
        output: file (.seg.nrrd) that the regions are written into.
        series: number or instance UID of the DICOM series, where there are several.
        segmenter: name of a segmenter, or "auto".
        regions_file: existing label map or segmentation to take the regions from, instead of a segmenter.
        mapping: label value or segment name in ``regions_file`` -> region, where the names do not say it.
        weights: folder with TotalSegmentator's weights; its own place if None.
        fast: segment faster and coarser, where the segmenter can.
        device: "auto", "cpu", "mps", "cuda" or "cuda:1".
        only: regions to find and to write about; all if empty. Only TotalSegmentator is faster for it.
    """

    volume: Path
    output: Path
    series: str | None = None
    segmenter: str = "auto"
    regions_file: Path | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    weights: Path | None = None
    fast: bool = False
    device: str = "auto"
    only: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.only:
            get_region(name)  # refuses others


@dataclass(frozen=True)
class ReportRequest(SegmentRequest):
    """A request for the report of one volume; ``output`` is the folder that it is written into.

    Attributes:
        model: name of an installed model or a model folder; the embedded model if None.
        precision: of the language model, one of reg2rg.models.quantization.PRECISIONS, or "auto".
        decoding: "sequence", all regions of a prompt in one text, as published; "parallel", each in a text of its own,
            all at once; "auto", as the model was trained.
        sample: draw words by chance as the published system may, instead of the most probable ones.
        max_new_tokens: limit of what the model writes per text.
        seed: of what is drawn by chance; for the record otherwise.
        said: region -> finding label -> whether it is there: what a user corrected. The model is told.
        cues: tell the language model what the finding head saw, where the model has one.
    """

    model: str | None = None
    precision: str = "auto"
    decoding: str = "auto"
    sample: bool = False
    max_new_tokens: int = 500
    seed: int = 0
    said: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    cues: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.decoding not in DECODINGS:
            raise InputError(f"No decoding is called {self.decoding!r}; expected {', '.join(DECODINGS)}.")
        if self.max_new_tokens < 1:
            raise InputError(f"The limit of new tokens is {self.max_new_tokens}; expected 1 or more.")
        for region, labels in self.said.items():
            from reg2rg.labeler import ALL_LABELS  # brings numpy along, for which a worker need not wait

            get_region(region)  # refuses others
            unknown = sorted(set(labels) - set(ALL_LABELS))
            if unknown:
                raise InputError(f"No finding is called {unknown[0]!r}. Findings are: {', '.join(ALL_LABELS)}.")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ReportRequest:
        """A request from JSON's plain types; InputError for unknown, missing or wrongly typed fields."""
        unknown = sorted(set(values) - set(_KINDS))
        if unknown:
            raise InputError(f"A run has no {', '.join(unknown)}; expected some of: {', '.join(_KINDS)}.")
        missing = [name for name in ("volume", "output") if name not in values]
        if missing:
            raise InputError(f"A run needs {' and '.join(missing)}.")
        return cls(**{name: _typed(name, value) for name, value in values.items() if value is not None})


_KINDS = {
    "volume": Path,
    "output": Path,
    "series": str,
    "segmenter": str,
    "regions_file": Path,
    "mapping": dict,
    "weights": Path,
    "fast": bool,
    "device": str,
    "model": str,
    "precision": str,
    "decoding": str,
    "sample": bool,
    "max_new_tokens": int,
    "seed": int,
    "only": list,
    "said": dict,
    "cues": bool,
}


_HOLD: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "only": ("a list of regions", lambda names: _all(str, names)),
    "mapping": ("an object of label: region", lambda regions: _all(str, regions.values())),
    "said": (
        "an object of region: {finding: true or false}",
        lambda said: _all(dict, said.values()) and all(_all(bool, of_region.values()) for of_region in said.values()),
    ),
}
"""What fields must be that hold others, in words and as a question."""


def _typed(name: str, value: Any) -> Any:
    kind = _KINDS[name]
    expected = str if kind is Path else kind
    words, fits = _HOLD.get(name, (expected.__name__, lambda value: True))
    if type(value) is not expected or not fits(value):  # not isinstance: True is no number of tokens
        raise InputError(f"{name} of a run is {value!r}; expected {words}.")
    return {Path: Path, list: tuple}.get(kind, lambda same: same)(value)


def _all(kind: type, values: Iterable[Any]) -> bool:
    return all(isinstance(value, kind) for value in values)
