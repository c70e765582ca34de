"""A model trained on phantoms, applied to real CTs: does it name the regions, and does its confidence drop?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from reg2rg.benchmark.collect import load_generator
from reg2rg.benchmark.examine import examine_volume
from reg2rg.benchmark.finding_groups import REGION_OF
from reg2rg.benchmark.records import CaseRecord
from reg2rg.benchmark.statements import STATED_THRESHOLD, from_text
from reg2rg.evaluation import Cell, Table
from reg2rg.segmentation.thresholds import ThresholdSegmenter
from reg2rg.volumes import read_volume


def examine_real_cts(model: Path, folder: Path) -> list[CaseRecord]:
    """Record what a model answers about the CTs (.nii.gz) in a folder, with regions from thresholds.

    Files with "reference" in their name are skipped. Returns an empty list if there are no CTs.
    """
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
    """Return one row per real CT, then one for the held-out phantoms.

    Args:
        real: Records of real CTs.
        phantoms: Records of held-out phantoms.
    """
    rows = [(record.name, *_cells([record])) for record in real]
    if len(real) > 1:
        rows.append((f"all {len(real)} CTs", *_cells(real)))
    rows.append((f"{len(phantoms)} held-out phantoms", *_cells(phantoms)))
    description = _summary(real, phantoms) + (
        "Regions of the CTs come from thresholds, those of the phantoms are the true ones. Top probability: highest "
        "probability in a region, averaged over regions. Findings stated: share of regions for which the head gives a "
        "finding a probability of at least 0.5. Distance: out-of-distribution distance of the vision tokens, 1 on "
        "average for training cases; a volume above the limit is flagged."
    )
    columns = (
        "volume",
        "regions",
        "recognized",
        "top probability",
        "findings stated",
        "normal texts",
        "distance",
        "limit",
        "flagged",
    )
    return Table("real_cts", "Real CTs", description, columns, tuple(rows))


def _summary(real: Sequence[CaseRecord], phantoms: Sequence[CaseRecord]) -> str:
    """Summarize whether regions are recognized, whether confidence drops and whether volumes are flagged."""
    sections = [section for record in real for section in record.sections]
    recognized = sum(section.recognized == section.region for section in sections)
    summary = f"{recognized} of {len(sections)} regions in real CTs are recognized. "
    real_tops, phantom_tops = _top_probabilities(real), _top_probabilities(phantoms)
    if real_tops and phantom_tops:
        on_real, on_phantoms = _mean(real_tops), _mean(phantom_tops)
        drops = "drops" if on_real < on_phantoms else "does not drop"
        summary += f"The confidence of the head {drops} ({on_real:.2f}; {on_phantoms:.2f} on phantoms). "
    flags = _flags(real)
    if flags:
        summary += f"{sum(flags)} of {len(flags)} volumes are flagged as out of distribution. "
    return summary


def _top_probabilities(records: Sequence[CaseRecord]) -> list[float]:
    """Return the highest probability among the labels of each region that has labels."""
    tops = []
    for record in records:
        for section in record.sections:
            own = [d.probability for d in section.detections if REGION_OF.get(d.label) == section.region]
            if own:
                tops.append(max(own))
    return tops


def _flags(records: Sequence[CaseRecord]) -> list[bool]:
    """Return whether each volume is flagged, for a model that has the check."""
    return [record.flagged for record in records if record.flagged is not None]


def _cells(records: Sequence[CaseRecord]) -> tuple[Cell, ...]:
    sections = [section for record in records for section in record.sections]
    tops = _top_probabilities(records)
    return (
        len(sections),
        _mean([section.recognized == section.region for section in sections]),
        _mean(tops),
        _mean([top >= STATED_THRESHOLD for top in tops]),
        _mean([not from_text(section) for section in sections]),
        _mean([record.ood_distance for record in records if record.ood_distance is not None]),
        _mean([record.ood_limit for record in records if record.ood_limit is not None]),
        _mean(_flags(records)),
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
