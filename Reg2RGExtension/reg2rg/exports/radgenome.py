"""A signed report as a training case in RadGenome-ChestCT's layout, so that reviewed cases become training data.

The files are those that ``reg2rg train`` and ``reg2rg evaluate --references`` read (docs/training.md). Cases are added
to a folder one by one. Findings have no masks: where the model sees a finding is its own opinion, which it must not
learn from.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.report import Content, Report, report_content
from reg2rg.runtime.csv_output import write_csv
from reg2rg.runtime.staging import scratch_folder

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
    folder.mkdir(parents=True, exist_ok=True)
    volume_folder = folder / "train_preprocessed" / patient / f"{patient}a"
    mask_folder = folder / "train_region_mask" / f"seg_{name}"
    with scratch_folder(inside=folder) as staging:
        with _placed(staging / "volume.nii.gz", volume_folder / f"{name}.nii.gz") as path:
            _write(volume, path)
        for region in described & set(report.masks.present):
            with _placed(staging / "mask.nii.gz", mask_folder / f"{region}.nii.gz") as path:
                _write(report.masks.image(region), path)
        with _placed(staging / "table.csv", folder / TABLE) as path:  # last: a case without rows does not exist
            with path.open("w", encoding="utf-8", newline="") as stream:
                write_csv(stream, [COLUMNS, *rows])
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


@contextmanager
def _placed(staged: Path, target: Path) -> Iterator[Path]:
    """Provide a path to write to, and move the file into place when it is complete."""
    yield staged
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(staged, target)


def _write(image: sitk.Image, path: Path) -> None:
    """Write an image with voxel axes that grow toward right, anterior and superior, as in the published files."""
    sitk.WriteImage(sitk.DICOMOrient(image, "RAS"), str(path), useCompression=True, compressionLevel=1)
