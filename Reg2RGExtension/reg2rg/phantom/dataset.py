"""Phantoms on disk in the layout in which RadGenome-ChestCT is published."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.phantom.case import PhantomCase, PhantomConfig, make_phantom
from reg2rg.regions import in_reading_order

_CSV_NAMES = {"train": "train", "valid": "validation"}


def write_dataset(folder: Path, split: str, seeds: Iterable[int], config: PhantomConfig | None = None) -> list[str]:
    """Write one phantom per seed; return the volumes' names (``train_1_a_1``, ...), numbered from 1.

    ``<split>_preprocessed/<case>/<case + letter>/<volume>.nii.gz`` and
    ``<split>_region_mask/seg_<volume>/<region>.nii.gz`` have voxel axes that grow to right, anterior and superior, as
    the published files have, which are read without their affine.
    ``radgenome_files/<train|validation>_region_report.csv`` has a row per region, and one with an empty Anatomy for the
    whole report.

    Beyond the published layout: ``<split>_finding_mask/<volume>.nii.gz``, whose voxels have bit i set where finding i
    lies, and ``radgenome_files/<train|validation>_findings.csv`` with a row per finding, Bit being that i.
    """
    if split not in _CSV_NAMES:
        raise InputError(f"The split is {split!r}; expected one of {', '.join(_CSV_NAMES)}.")
    folder = Path(folder)
    tables = folder / "radgenome_files"
    tables.mkdir(parents=True, exist_ok=True)
    names = []
    with (
        (tables / f"{_CSV_NAMES[split]}_region_report.csv").open("w", newline="", encoding="utf-8") as reports,
        (tables / f"{_CSV_NAMES[split]}_findings.csv").open("w", newline="", encoding="utf-8") as findings,
    ):
        sections, planted = csv.writer(reports), csv.writer(findings)
        sections.writerow(("Volumename", "Anatomy", "Sentence"))
        planted.writerow(("Volumename", "Bit", "Anatomy", "Label", "Side", "Level", "Size_mm", "Severity"))
        for number, seed in enumerate(seeds, start=1):
            names.append(f"{split}_{number}_a_1")
            phantom = make_phantom(seed, config)
            _write_images(folder, split, number, phantom)
            sections.writerows(_section_rows(names[-1], phantom))
            planted.writerows(_finding_rows(names[-1], phantom))
    return names


def _write_images(folder: Path, split: str, number: int, phantom: PhantomCase) -> None:
    case = f"{split}_{number}"
    name = f"{case}_a_1"
    _write(phantom.volume, folder / f"{split}_preprocessed" / case / f"{case}a" / f"{name}.nii.gz")
    _write(phantom.finding_bits, folder / f"{split}_finding_mask" / f"{name}.nii.gz")
    for region in phantom.masks.present:
        _write(phantom.masks.image(region), folder / f"{split}_region_mask" / f"seg_{name}" / f"{region}.nii.gz")


def _write(image: sitk.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.DICOMOrient(image, "RAS"), str(path), useCompression=True, compressionLevel=1)


def _section_rows(name: str, phantom: PhantomCase) -> list[tuple[str, str, str]]:
    regions = [region.name for region in in_reading_order(phantom.sections)]
    whole = " ".join(phantom.sections[region] for region in regions)
    volume = f"{name}.nii.gz"
    return [(volume, region, phantom.sections[region]) for region in regions] + [(volume, "", whole)]


def _finding_rows(name: str, phantom: PhantomCase) -> list[tuple[str, ...]]:
    return [
        (
            f"{name}.nii.gz",
            str(bit),
            finding.region,
            finding.label,
            finding.side or "",
            finding.level or "",
            "" if finding.size_mm is None else f"{finding.size_mm:.0f}",
            finding.severity or "",
        )
        for bit, finding in enumerate(phantom.findings)
    ]
