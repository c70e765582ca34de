"""The model card of the embedded model: what the model is, what was measured, and the numbers as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reg2rg.about import DRAFT_LABEL
from reg2rg.benchmark.annotated_cts import MarkedLesion, lesion_table
from reg2rg.benchmark.far_volumes import FarVolume, far_volume_table
from reg2rg.benchmark.headline import headline, headline_table
from reg2rg.benchmark.planted_cts import PlantedResults
from reg2rg.benchmark.real_cts import RealCT, claims_table, real_ct_table
from reg2rg.benchmark.records import CaseRecord
from reg2rg.benchmark.results import BenchmarkResults
from reg2rg.checkpoints import CARD_FILE, ModelFolder
from reg2rg.checkpoints.checksums import write_checksums
from reg2rg.errors import InputError
from reg2rg.evaluation import Cell, Table, to_markdown
from reg2rg.runtime.staging import staged_output

MEASURED_FILE = "measured.json"
RELIABILITY_FILE = "reliability.png"
_MEASURED_HEADING = "\n## Measured"

_INTRODUCTION = f"""# phantom: the embedded model of Reg2RG

**The findings that this model was trained on are synthetic. Its output has no clinical meaning.** It demonstrates
every step of the system on any chest CT: regions, grounded sections, findings with locations, review and export. Where
it is right about a real patient, and where it is not, is measured below. {DRAFT_LABEL}

- Differences from the published architecture are fields of config.json; docs/method.md explains them.
- License: Apache-2.0. Intended use: demonstration, self-tests, development.
"""
_REPLACED_ITEM = "- Intended use"


@dataclass(frozen=True)
class RealMeasurements:
    """What was measured on real CTs.

    Attributes:
        cts: What the model answered about them.
        planted: Results on held-out CTs with planted findings; None without held-out CTs.
        lesions: What the model says about outlined lesions.
        far: What its check says about volumes that are unlike a chest CT.
    """

    cts: Sequence[RealCT]
    planted: PlantedResults | None = None
    lesions: Sequence[MarkedLesion] = ()
    far: Sequence[FarVolume] = ()

    def tables(self, phantoms: Sequence[CaseRecord]) -> list[Table]:
        """Return all tables.

        Args:
            phantoms: Records of held-out phantoms, for comparison.
        """
        tables = [real_ct_table(self.cts, phantoms), claims_table(self.cts)]
        if self.planted is not None:
            tables.append(self.planted.table())
            if self.lesions:
                tables.append(lesion_table(self.lesions, self.planted))
        if self.far:
            tables.append(far_volume_table(self.far))
        return tables


@dataclass(frozen=True)
class CardMeasurements:
    """Everything that the tables of a model card show.

    Attributes:
        results: Results on held-out phantoms.
        real: What was measured on real CTs, or the reason why nothing was.
        seconds: Seconds per report on two CPU cores.
        others: Numbers of other models on the same data, by name (see ``headline.headline``).
    """

    results: BenchmarkResults
    real: RealMeasurements | str
    seconds: Sequence[float]
    others: Mapping[str, Mapping[str, Cell]] = field(default_factory=dict)


def card_introduction(existing: str) -> str:
    """Return the part of the card above the tables.

    This is the introduction of the existing card. If that card was written by ``reg2rg train``, this is a standard
    introduction followed by what the card says about architecture and training.

    Args:
        existing: Text of the existing card.
    """
    introduction, measured, _ = existing.partition(_MEASURED_HEADING)
    if measured:
        return introduction
    items = [
        line for line in existing.splitlines() if line.startswith(("- ", "  ")) and not line.startswith(_REPLACED_ITEM)
    ]
    return _INTRODUCTION + "\n".join(items)


def card_tables(model: Path, measurements: CardMeasurements) -> str:
    """Return the part of the card with the tables."""
    weights = ModelFolder.open(model).weights_sha256
    results, seconds = measurements.results, measurements.seconds
    if isinstance(measurements.real, RealMeasurements):
        tables = measurements.real.tables(results.records)
        if measurements.others and measurements.real.planted is not None:
            after = headline(results.to_json_dict(), measurements.real.cts, measurements.real.planted)
            tables.insert(0, headline_table({**measurements.others, "after": after}, len(results.records)))
        real_cts = "\n".join(map(to_markdown, tables))
    else:
        real_cts = f"## Real CTs\n\nNot measured: {measurements.real}\n"
    return "\n".join(
        [
            f"{_MEASURED_HEADING} on {len(results.records)} held-out phantoms",
            "",
            f"Measured with `make model-card` on weights {weights[:16]}. The phantoms have different bodies "
            'and scanners than the training phantoms (population "held-out").',
            "",
            f"- Size of the model folder: {_folder_megabytes(model):.1f} MB (goal: at most 30).",
            f"- Time per report on 2 CPU cores, after segmentation: {sum(seconds) / len(seconds):.1f} s on average, "
            f"{max(seconds):.1f} s at most, over {len(seconds)} phantoms (goal: at most 10 s).",
            "",
            results.to_markdown(),
            real_cts,
        ]
    )


def write_card(model: Path, measurements: CardMeasurements) -> None:
    """Write the card, its numbers and the reliability plot into the model folder, and update the checksums."""
    introduction = card_introduction((model / CARD_FILE).read_text(encoding="utf-8"))
    numbers = {"weights_sha256": ModelFolder.open(model).weights_sha256, **measurements.results.to_json_dict()}
    card = f"{introduction.rstrip()}\n{card_tables(model, measurements)}"
    with staged_output(model) as staging:
        (staging / CARD_FILE).write_text(card, encoding="utf-8")
        (staging / MEASURED_FILE).write_text(json.dumps(_replace_nan(numbers), indent=1) + "\n", encoding="utf-8")
        if measurements.results.has_head:
            (staging / RELIABILITY_FILE).write_bytes(measurements.results.reliability_plot())
    write_checksums(model)


def read_stored_metrics(model: Path) -> dict[str, Any]:
    """Read the numbers that were stored with the card.

    Raises:
        InputError: If no numbers are stored, or if they were measured on other weights.
    """
    file = model / MEASURED_FILE
    if not file.is_file():
        raise InputError(f"{model} contains no {MEASURED_FILE}; write the model card first (--write).")
    numbers = json.loads(file.read_text(encoding="utf-8"))
    if numbers["weights_sha256"] != ModelFolder.open(model).weights_sha256:
        raise InputError(f"{file} was measured on different weights; write the model card again (--write).")
    return numbers


def _folder_megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.iterdir()) / 1e6


def _replace_nan(value: Any) -> Any:
    """Replace NaN with None, because JSON has no NaN."""
    if isinstance(value, Mapping):
        return {name: _replace_nan(item) for name, item in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
