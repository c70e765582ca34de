"""Write phantoms to disk in the layout of the published RadGenome-ChestCT."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.phantom.case import PhantomCase, PhantomConfig, make_phantom
from reg2rg.regions import in_reading_order
from reg2rg.runtime.csv_output import write_csv
from reg2rg.volumes.nifti_writing import write_nifti

_CSV_NAMES = {"train": "train", "valid": "validation"}


def write_dataset(folder: Path, split: str, seeds: Iterable[int], config: PhantomConfig | None = None) -> list[str]:
    """Write one phantom per seed as a dataset in RadGenome-ChestCT's layout.

    Files, for a case ``train_1`` whose only volume is ``train_1_a_1``:

    - ``train_preprocessed/train_1/train_1a/train_1_a_1.nii.gz``: the volume.
    - ``train_region_mask/seg_train_1_a_1/<region>.nii.gz``: one mask per region.
    - ``radgenome_files/train_region_report.csv``: one row per region, and one with an empty Anatomy for the whole
      report. The table of the split "valid" is called ``validation_region_report.csv``.

    As in the published files, which are read without their affine, voxel axes grow toward right, anterior and
    superior. Two things are added to the published layout:

    - ``train_finding_mask/train_1_a_1.nii.gz``: bit i of a voxel is set where finding i lies.
    - ``radgenome_files/train_findings.csv``: one row per finding; the column Bit contains its i.

    Args:
        folder: where to write; created if needed.
        split: "train" or "valid".
        seeds: one per phantom.
        config: grid and population of the phantoms.

    Returns:
        Names of the volumes, ``train_1_a_1``, ``train_2_a_1``, ...

    Raises:
        InputError: if the split is unknown.
    """
    if split not in _CSV_NAMES:
        raise InputError(f"Unknown split {split!r}; expected one of: {', '.join(_CSV_NAMES)}.")
    folder = Path(folder)
    tables = folder / "radgenome_files"
    tables.mkdir(parents=True, exist_ok=True)
    names = []
    with (
        (tables / f"{_CSV_NAMES[split]}_region_report.csv").open("w", newline="", encoding="utf-8") as report_file,
        (tables / f"{_CSV_NAMES[split]}_findings.csv").open("w", newline="", encoding="utf-8") as finding_file,
    ):
        write_csv(report_file, [("Volumename", "Anatomy", "Sentence")])
        write_csv(finding_file, [("Volumename", "Bit", "Anatomy", "Label", "Side", "Level", "Size_mm", "Severity")])
        for number, seed in enumerate(seeds, start=1):
            name = f"{split}_{number}_a_1"
            phantom = make_phantom(seed, config)
            _write_images(folder, split, number, phantom)
            write_csv(report_file, _section_rows(name, phantom))
            write_csv(finding_file, _finding_rows(name, phantom))
            names.append(name)
    return names


def _write_images(folder: Path, split: str, number: int, phantom: PhantomCase) -> None:
    """Write the volume, the finding bits and the region masks of a case."""
    case = f"{split}_{number}"
    name = f"{case}_a_1"
    _write(phantom.volume, folder / f"{split}_preprocessed" / case / f"{case}a" / f"{name}.nii.gz")
    _write(phantom.finding_bits, folder / f"{split}_finding_mask" / f"{name}.nii.gz")
    for region in phantom.masks.present:
        _write(phantom.masks.image(region), folder / f"{split}_region_mask" / f"seg_{name}" / f"{region}.nii.gz")


def _write(image: sitk.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_nifti(image, path)


def _section_rows(name: str, phantom: PhantomCase) -> list[tuple[str, str, str]]:
    """Return the rows (Volumename, Anatomy, Sentence) of a case, in reading order, the whole report last."""
    regions = [region.name for region in in_reading_order(phantom.sections)]
    report = " ".join(phantom.sections[region] for region in regions)
    volume = f"{name}.nii.gz"
    return [(volume, region, phantom.sections[region]) for region in regions] + [(volume, "", report)]


def _finding_rows(name: str, phantom: PhantomCase) -> list[tuple[str, ...]]:
    """Return the rows of a case's findings, with empty cells for unknown values."""
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
