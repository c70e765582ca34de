"""What the model says of real CTs, of which nothing is known but their regions: does its confidence fall?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from reg2rg.benchmark.collect import load_generator
from reg2rg.benchmark.examine import examine_volume
from reg2rg.benchmark.finding_groups import REGION_OF
from reg2rg.benchmark.records import CaseRecord
from reg2rg.benchmark.statements import STATED_THRESHOLD, from_text
from reg2rg.evaluation.tables import Cell, Table
from reg2rg.segmentation.thresholds import ThresholdSegmenter
from reg2rg.volumes import read_volume

_NOWHERE = float("nan")


def examine_real_cts(model: Path, folder: Path) -> list[CaseRecord]:
    """Records of the CTs (.nii.gz) of a folder, regions by thresholds; empty if it holds none."""
    files = [file for file in sorted(folder.glob("*.nii.gz")) if "reference" not in file.name]
    if not files:
        return []
    generator, settings = load_generator(model)
    records = []
    for file in files:
        volume = read_volume(file)
        masks = ThresholdSegmenter().segment(volume)
        records.append(examine_volume(generator, settings, file.name.removesuffix(".nii.gz"), volume, masks))
    return records


def real_ct_table(real: Sequence[CaseRecord], phantoms: Sequence[CaseRecord]) -> Table:
    """One row a CT, then all held-out phantoms beside them."""
    rows = [(record.name, *_cells([record])) for record in real]
    if len(real) > 1:
        rows.append((f"all {len(real)} CTs", *_cells(real)))
    rows.append((f"{len(phantoms)} held-out phantoms", *_cells(phantoms)))
    caption = _verdict(real, phantoms) + (
        "Regions of the CTs are those that thresholds found, of the phantoms the true ones. Top probability: of the "
        "most probable finding of each region, mean. Asserting: regions of which the head gives a finding 0.5 or more. "
        "Distance: of the vision tokens to those of training, 1 on average there; above the limit a volume is called "
        "unlike the training data."
    )
    columns = ("volume", "regions", "recognised", "top probability", "asserting", "normal texts", "distance", "limit",
               "called unlike")  # fmt: skip
    return Table("real", "Real CTs", caption, columns, tuple(rows))


def _verdict(real: Sequence[CaseRecord], phantoms: Sequence[CaseRecord]) -> str:
    """Are the regions named right, does the confidence fall, does the model notice? In words."""
    sections = [section for record in real for section in record.sections]
    right = sum(section.recognised == section.region for section in sections)
    words = f"{right} of {len(sections)} regions of real CTs are named right. "
    if all(tops := [_tops(real), _tops(phantoms)]):
        ours, usual = map(_mean, tops)
        falls = "falls" if ours < usual else "does not fall"
        words += f"The head's confidence {falls} ({ours:.2f}; on phantoms {usual:.2f}). "
    if measured := [record for record in real if record.distance is not None]:
        unlike = sum(record.distance > record.limit for record in measured)
        words += f"{unlike} of {len(measured)} volumes are called unlike the training data. "
    return words


def _tops(records: Sequence[CaseRecord]) -> list[float]:
    """Of each region that has findings of its own the head's highest probability."""
    sections = [section for record in records for section in record.sections]
    return [
        max(own) for s in sections if (own := [f.probability for f in s.seen if REGION_OF.get(f.label) == s.region])
    ]


def _cells(records: Sequence[CaseRecord]) -> tuple[Cell, ...]:
    sections = [section for record in records for section in record.sections]
    tops = _tops(records)
    measured = [record for record in records if record.distance is not None]
    unlike = [record.distance > record.limit for record in measured]
    return (
        len(sections),
        _mean([section.recognised == section.region for section in sections]),
        _mean(tops),
        _mean([top >= STATED_THRESHOLD for top in tops]),
        _mean([not from_text(section) for section in sections]),
        _mean([record.distance for record in measured]),
        _mean([record.limit for record in measured]),
        _mean(unlike),
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else _NOWHERE
