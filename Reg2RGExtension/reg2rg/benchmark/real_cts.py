"""A model applied to real CTs: does it name the regions, what does it claim, and does its confidence drop?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from reg2rg.benchmark.collect import load_generator
from reg2rg.benchmark.examine import examine_volume
from reg2rg.benchmark.finding_groups import REGION_OF
from reg2rg.benchmark.records import CaseRecord, DetectionRecord, own_detections
from reg2rg.benchmark.statements import STATED_THRESHOLD, from_text
from reg2rg.evaluation import Cell, Table
from reg2rg.planting import HostEntry, read_host_list
from reg2rg.segmentation import RegionMasks
from reg2rg.segmentation.thresholds import ThresholdSegmenter
from reg2rg.volumes import read_volume


@dataclass(frozen=True)
class RealCT:
    """What a model answered about a real CT.

    Attributes:
        entry: What is known about the CT.
        record: The answers.
    """

    entry: HostEntry
    record: CaseRecord

    @property
    def claims(self) -> list[DetectionRecord]:
        """Findings of the head with a probability of at least 0.5."""
        return [each for each in own_detections(self.record) if each.probability >= STATED_THRESHOLD]

    @property
    def false_claims(self) -> list[DetectionRecord]:
        """Claims of findings that the patient does not have for certain."""
        return [each for each in self.claims if each.label not in self.entry.unknown]

    @property
    def stated(self) -> list[DetectionRecord]:
        """Claims that a draft states. The others are folded away."""
        return [each for each in self.claims if self.record.may_state(each.label)]

    @property
    def false_statements(self) -> list[DetectionRecord]:
        """Claims that a draft states, of findings that the patient does not have for certain."""
        return [each for each in self.false_claims if each in self.stated]


def list_real_cts(folder: Path, hosts: Path) -> list[HostEntry]:
    """List the CTs of a folder.

    Args:
        folder: Folder of CTs.
        hosts: YAML file that lists known CTs. If the folder has none of them, all its .nii.gz files are taken, except
            for those with "reference" in their names, and every claim counts as false.
    """
    known = [entry for entry in read_host_list(hosts) if (folder / entry.file).exists()]
    if known:
        return known
    files = [file for file in sorted(folder.glob("*.nii.gz")) if "reference" not in file.name]
    return [HostEntry(Path(file.name), file.name.removesuffix(".nii.gz")) for file in files]


def examine_real_cts(model: Path, folder: Path, entries: Sequence[HostEntry]) -> list[RealCT]:
    """Record what a model answers about real CTs, with regions from thresholds."""
    if not entries:
        return []
    generator, settings = load_generator(model)
    examined = []
    for entry, volume, masks in segmented_cts(folder, entries):
        name = entry.file.name.removesuffix(".nii.gz")
        examined.append(RealCT(entry, examine_volume(generator, settings, name, volume, masks)))
    return examined


def segmented_cts(folder: Path, entries: Iterable[HostEntry]) -> Iterator[tuple[HostEntry, sitk.Image, RegionMasks]]:
    """Yield each real CT with its volume in HU and its regions from thresholds."""
    for entry in entries:
        volume = read_volume(folder / entry.file)
        yield entry, volume, ThresholdSegmenter().segment(volume)


def real_ct_table(real: Sequence[RealCT], phantoms: Sequence[CaseRecord]) -> Table:
    """Return one row per real CT, then one for those of held-out patients, one for all, and one for the phantoms.

    Args:
        real: What the model answered about real CTs.
        phantoms: Records of held-out phantoms.
    """
    rows = [(each.record.name, _yes(each.entry.held_out), *_cells([each.record]), *_claims([each])) for each in real]
    held_out = [each for each in real if each.entry.held_out]
    for name, group in ((f"{len(held_out)} held-out CTs", held_out), (f"all {len(real)} CTs", real)):
        if len(group) > 1:
            rows.append((name, None, *_cells([each.record for each in group]), *_claims(group)))
    rows.append((f"{len(phantoms)} held-out phantoms", None, *_cells(phantoms), *[None] * 4))
    description = _summary([each.record for each in real], phantoms) + (
        "Held out: the patient was not used for training. Regions of the CTs come from thresholds, those of the "
        "phantoms are the true ones. Top probability: highest probability in a region, averaged over regions. "
        "Distance: out-of-distribution distance of the vision tokens, 1 on average for training cases; a volume above "
        "the limit is flagged. Claims: findings per CT with a probability of at least 0.5. False: claims of findings "
        "that the patient does not have for certain. In the draft: claims that the draft states, because the volume is "
        "not flagged and the finding is supported in this kind of volume; the others are folded away."
    )
    columns = (
        *("volume", "held out", "regions", "recognized", "top probability", "normal texts"),
        *("distance", "limit", "flagged", "claims", "false", "in the draft", "false in the draft"),
    )
    return Table("real_cts", "Real CTs", description, columns, tuple(rows))


def claims_table(real: Sequence[RealCT]) -> Table:
    """Return one row per finding that is claimed in a real CT."""
    rows = []
    for label in REGION_OF:
        claimed = [each for each in real if label in {claim.label for claim in each.claims}]
        false = [each for each in claimed if label not in each.entry.unknown]
        if claimed:
            names = ", ".join(each.record.name for each in false)
            stated = sum(each.record.may_state(label) for each in claimed)
            held_out = sum(each.entry.held_out for each in false)
            rows.append((label, len(claimed), stated, len(false), held_out, names or None))
    description = (
        f"Number of the {len(real)} CTs in which a finding has a probability of at least 0.5, and of those whose draft "
        "states it."
    )
    columns = ("finding", "claimed", "in the draft", "false", "of these held out", "in")
    return Table("real_claims", "Claims in real CTs", description, columns, tuple(rows))


def _summary(real: Sequence[CaseRecord], phantoms: Sequence[CaseRecord]) -> str:
    """Summarize whether regions are recognized, whether confidence drops and whether volumes are flagged."""
    sections = [section for record in real for section in record.sections]
    recognized = sum(section.recognized == section.region for section in sections)
    summary = f"{recognized} of {len(sections)} regions in real CTs are recognized. "
    real_tops, phantom_tops = _top_probabilities(real), _top_probabilities(phantoms)
    if real_tops and phantom_tops:
        on_real, on_phantoms = mean(real_tops), mean(phantom_tops)
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
    return (
        len(sections),
        mean([section.recognized == section.region for section in sections]),
        mean(_top_probabilities(records)),
        mean([not from_text(section) for section in sections]),
        mean([record.ood_distance for record in records if record.ood_distance is not None]),
        mean([record.ood_limit for record in records if record.ood_limit is not None]),
        mean(_flags(records)),
    )


def _claims(real: Sequence[RealCT]) -> tuple[Cell, ...]:
    counts = [(each.claims, each.false_claims, each.stated, each.false_statements) for each in real]
    return tuple(mean([len(found) for found in column]) for column in zip(*counts, strict=True))


def _yes(value: bool) -> str | None:
    return "yes" if value else None


def mean(values: Sequence[float]) -> float:
    """Return the mean; NaN without values."""
    return float(np.mean(values)) if values else float("nan")
