"""The options that all cases of a batch have in common."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from reg2rg.checkpoints import ModelFolder
from reg2rg.errors import InputError
from reg2rg.hub import find_model
from reg2rg.pipeline.request import FIELDS_OF_A_CASE, MeasureRequest, ReportRequest
from reg2rg.runtime.dataclass_io import to_plain


@dataclass(frozen=True)
class Settings:
    """The options of all cases.

    Attributes:
        measure_only: whether cases are measured only, without a language model.
        options: fields of the requests that differ from their defaults.
    """

    measure_only: bool
    options: Mapping[str, Any]

    def __post_init__(self) -> None:
        if self.measure_only and (unused := self.options.keys() - {field.name for field in fields(MeasureRequest)}):
            names = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(unused))
            raise InputError(f"Measuring needs no model, so {names} has no effect; leave it out.")
        _ = self.identity  # checks the options

    def report_request(self, volume: Path, series: str, masks: Path | None, output: Path) -> ReportRequest:
        """Return the request for the report of one case."""
        return ReportRequest(**self._fields(volume, series, masks, output))

    def measure_request(self, volume: Path, series: str, masks: Path | None, output: Path) -> MeasureRequest:
        """Return the request for the measurements of one case."""
        return MeasureRequest(**self._fields(volume, series, masks, output))

    @functools.cached_property
    def identity(self) -> dict[str, Any]:
        """The options that decide what a report says. The model is named by its weights."""
        make = self.measure_request if self.measure_only else self.report_request
        values = to_plain(make(Path("ct"), "", Path("masks"), Path("output")))
        identity = {"kind": "measurements" if self.measure_only else "report"}
        identity |= {name: value for name, value in values.items() if name not in FIELDS_OF_A_CASE}
        if not self.measure_only:
            identity["model"] = ModelFolder.open(find_model(self.options.get("model"))).weights_sha256
        return identity

    def _fields(self, volume: Path, series: str, masks: Path | None, output: Path) -> dict[str, Any]:
        options = dict(self.options)
        if masks is None:
            options.pop("mapping", None)  # it maps the labels of the masks
        return {**options, "volume": volume, "series": series or None, "regions_file": masks, "output": output}
