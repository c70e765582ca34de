"""The embedded model's card: what it is, as told by who made it, and what was measured, with the numbers as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reg2rg import DRAFT_LABEL
from reg2rg.benchmark.real_cts import real_ct_table
from reg2rg.benchmark.records import CaseRecord
from reg2rg.benchmark.results import BenchmarkResults
from reg2rg.benchmark.timing import megabytes
from reg2rg.checkpoints import CARD_FILE, ModelFolder
from reg2rg.checkpoints.checksums import write_checksums
from reg2rg.errors import InputError
from reg2rg.evaluation.tables import to_markdown
from reg2rg.runtime.staging import staged_output

MEASURED_FILE = "measured.json"
RELIABILITY_FILE = "reliability.png"
_MEASURED = "\n## Measured"

_HEAD = f"""# phantom: the embedded model of Reg2RG

**It was trained on synthetic phantoms only and describes nothing clinical.** It shows every step of the system on any
chest CT: regions, grounded sections, findings that can be pointed at, review, export. What it says about a real patient
is meaningless. {DRAFT_LABEL}

- Where it differs from the published architecture, fields of config.json say so; docs/method.md says why.
- Licence: Apache-2.0. Intended use: demonstration, self-tests, development.
"""
_NOT_KEPT = "- Intended use"


@dataclass(frozen=True)
class CardMeasurements:
    """All that a card's tables need.

    Attributes:
        real: records of real CTs; if there are none, ``why_none`` says why.
        seconds: of reports, on two cores.
    """

    results: BenchmarkResults
    real: Sequence[CaseRecord]
    why_none: str
    seconds: Sequence[float]


def card_head(present: str) -> str:
    """What stands above the tables: that of the present card, or, if it is one that ``reg2rg train`` wrote, ours with
    what it says of architecture and training.
    """
    head, measured, _ = present.partition(_MEASURED)
    if measured:
        return head
    items = [line for line in present.splitlines() if line.startswith(("- ", "  ")) and not line.startswith(_NOT_KEPT)]
    return _HEAD + "\n".join(items)


def card_tables(model: Path, measured: CardMeasurements) -> str:
    """What stands below the head."""
    results, seconds = measured.results, measured.seconds
    return "\n".join(
        [
            f"{_MEASURED} on {len(results.records)} held-out phantoms",
            "",
            f"By `make model-card`, on the weights {ModelFolder.open(model).weights_sha256[:16]}. The phantoms are of "
            'other bodies and scanners than those of training (population "held-out").',
            "",
            f"- Size of the model's folder: {megabytes(model):.1f} MB (at most 30 are wanted).",
            f"- A report on 2 cores, after segmentation: {sum(seconds) / len(seconds):.1f} s on average, "
            f"{max(seconds):.1f} s at most, of {len(seconds)} phantoms (at most 10 s are wanted).",
            "",
            results.table(),
            to_markdown(real_ct_table(measured.real, results.records))
            if measured.real
            else f"## Real CTs\n\nNot measured: {measured.why_none}\n",
        ]
    )


def write_card(model: Path, measured: CardMeasurements) -> None:
    """Write the card, its numbers and the reliability plot into the model's folder, and the checksums anew."""
    head = card_head((model / CARD_FILE).read_text(encoding="utf-8"))
    numbers = {"weights": ModelFolder.open(model).weights_sha256, **measured.results.as_dict()}
    with staged_output(model) as staging:
        (staging / CARD_FILE).write_text(f"{head.rstrip()}\n{card_tables(model, measured)}", encoding="utf-8")
        (staging / MEASURED_FILE).write_text(json.dumps(_plain(numbers), indent=1) + "\n", encoding="utf-8")
        if measured.results.has_head:
            (staging / RELIABILITY_FILE).write_bytes(measured.results.reliability())
    write_checksums(model)


def read_stored_metrics(model: Path) -> dict[str, Any]:
    """What was measured when the card was written; InputError if it was not on these weights."""
    file = model / MEASURED_FILE
    if not file.is_file():
        raise InputError(f"{model} holds no {MEASURED_FILE}; write its card with --write first.")
    numbers = json.loads(file.read_text(encoding="utf-8"))
    if numbers["weights"] != ModelFolder.open(model).weights_sha256:
        raise InputError(f"{file} was measured on other weights than those beside it; write the card again (--write).")
    return numbers


def _plain(values: Any) -> Any:
    """JSON knows no NaN."""
    if isinstance(values, Mapping):
        return {name: _plain(value) for name, value in values.items()}
    return None if isinstance(values, float) and math.isnan(values) else values
