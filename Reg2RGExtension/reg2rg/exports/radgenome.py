"""A signed report as a training case in RadGenome-ChestCT's layout, so that reviewed cases become training data.

The files are those that ``reg2rg train`` and ``reg2rg evaluate --references`` read (docs/training.md). Cases are added
to a folder one by one. Findings have no masks: where the model sees a finding is its own opinion, which it must not
learn from.
"""

from __future__ import annotations

import csv
import hashlib
import os
from pathlib import Path

import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.report import Content, Report, report_content
from reg2rg.runtime.csv_output import write_csv
from reg2rg.runtime.staging import apply_umask, staged_output
from reg2rg.volumes.nifti_writing import write_nifti

TABLE = Path("radgenome_files", "train_region_report.csv")
COLUMNS = ("Volumename", "Anatomy", "Sentence")


def write_radgenome(report: Report, volume: sitk.Image | None, folder: Path) -> str:
    """Add a signed report to a folder of training cases. A case that is written again is replaced.

    Args:
        report: a signed report with its folder.
        volume: the CT that the report was made from.
        folder: folder of training cases; created if needed.

    Returns:
        Name of the case's volume, such as "train_8c1f03b2a9d4_a_1".

    Raises:
        InputError: the report is a draft, the CT is missing, or the folder has another table.
        OSError: the disk is full. The folder is unchanged then.
    """
    content = report_content(report)
    if content.banner is not None:
        raise InputError("The report is a draft; only signed reports become training data. Sign it first.")
    if volume is None:
        raise InputError("Training data need the CT that the report was made from; expected --ct CT.")
    patient = f"train_{_case_number(report)}"
    name = f"{patient}_a_1"
    rows = [*_other_rows(folder / TABLE, f"{name}.nii.gz"), *_rows(f"{name}.nii.gz", content)]
    described = {section.region for section in content.sections}
    volume_folder = folder / "train_preprocessed" / patient / f"{patient}a"
    mask_folder = folder / "train_region_mask" / f"seg_{name}"
    with staged_output(folder) as staging:
        targets = {staging / "volume.nii.gz": volume_folder / f"{name}.nii.gz"}
        write_nifti(volume, staging / "volume.nii.gz")
        for region in sorted(described & set(report.masks.present)):
            write_nifti(report.masks.image(region), staging / f"{region}.nii.gz")
            targets[staging / f"{region}.nii.gz"] = mask_folder / f"{region}.nii.gz"
        with (staging / "table.csv").open("w", encoding="utf-8", newline="") as stream:
            write_csv(stream, [COLUMNS, *rows])
        targets[staging / "table.csv"] = folder / TABLE  # last: a case without rows does not exist
        apply_umask(targets)
        for staged, target in targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(staged, target)
    return name


def _case_number(report: Report) -> str:
    """Return a number that all versions of a report share and that says nothing about the patient."""
    made = report.provenance  # CTs of one protocol share a geometry, and a batch writes several reports in one second
    source = f"{made.created} {made.geometry} {made.model_sha256} {made.volume_sha256}"
    return hashlib.sha256(source.encode()).hexdigest()[:12]


def _rows(name: str, content: Content) -> list[tuple[str, str, str]]:
    """Return one row per section with a text, and one with an empty Anatomy for the whole report."""
    sections = [(section.region, " ".join(section.text.split())) for section in content.sections]
    written = [(region, text) for region, text in sections if text]
    whole = " ".join(text for _, text in written)
    return [(name, region, text) for region, text in written] + [(name, "", whole)]


def _other_rows(table: Path, name: str) -> list[tuple[str, ...]]:
    """Return the rows of a table that belong to other volumes."""
    if not table.is_file():
        return []
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            header, *rows = csv.reader(stream)
    except (ValueError, csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{table} cannot be read as CSV ({error}); choose another folder.") from error
    if tuple(header) != COLUMNS:
        raise InputError(f"{table} has the columns {', '.join(header)}; expected {', '.join(COLUMNS)}.")
    return [tuple(row) for row in rows if row and row[0] != name]
