"""The report folder: report.json, report.txt, preview.png, and segmentations of regions, structures and findings."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.exports.preview import write_preview
from reg2rg.exports.source_ct import read_source_ct
from reg2rg.report import (
    FINDINGS_FILE,
    PREVIEW_FILE,
    PRIOR_TRANSFORM_FILE,
    REGIONS_FILE,
    REPORT_FILE,
    REPORT_FILES,
    STRUCTURES_FILE,
    TEXT_FILE,
    Report,
    load_report,
)
from reg2rg.runtime.staging import staged_output
from reg2rg.segmentation import RegionMasks


def write_report_folder(report: Report, volume: sitk.Image, masks: RegionMasks, folder: Path) -> None:
    """Write a report as JSON, text and preview.

    The pipeline writes the segmentations earlier, as soon as they are available.

    Args:
        report: the report.
        volume: the CT in HU.
        masks: the region masks.
        folder: an existing folder.
    """
    write_preview(report, volume, masks, folder / PREVIEW_FILE)
    _write_texts(report, folder)


def copy_report_folder(report: Report, folder: Path, ct: Path | None) -> None:
    """Write a report with its review, and the segmentations and the transform of its folder.

    Args:
        report: the report.
        folder: an existing, empty folder.
        ct: the CT that the report was made from. Without it, there is no preview.
    """
    for name in (REGIONS_FILE, FINDINGS_FILE, STRUCTURES_FILE, PRIOR_TRANSFORM_FILE):
        if report.folder is not None and (report.folder / name).is_file():
            shutil.copyfile(report.folder / name, folder / name)
    if ct is not None:
        write_preview(report, read_source_ct(report, ct), report.masks, folder / PREVIEW_FILE)
    _write_texts(report, folder)


@contextmanager
def staged_report(folder: Path, names: Collection[str], replacement: Report | None = None) -> Iterator[Path]:
    """Write the files of a report folder at once, unless it contains a signed report; see ``staged_output``.

    Args:
        folder: the report folder.
        names: names of files that the block may write.
        replacement: the report to write, which may be the same one.

    Yields:
        Path of the scratch folder.

    Raises:
        InputError: the folder contains a signed report, perhaps one that was signed during the block.
    """
    refuse_signed(folder, replacement)
    with staged_output(folder, names) as staging:
        yield staging
        refuse_signed(folder, replacement)


@contextmanager
def staged_file(file: Path) -> Iterator[Path]:
    """Write a file at once, unless it is a part of a signed report; see ``staged_output``.

    Yields:
        Path of the scratch folder.

    Raises:
        InputError: the file is a part of a signed report.
    """
    if file.name in REPORT_FILES:
        refuse_signed(file.parent)
    with staged_output(file.parent, [file.name]) as staging:
        yield staging


def refuse_signed(folder: Path, replacement: Report | None = None) -> None:
    """Refuse to write to a folder that contains a signed report, or one that cannot be read and may be signed.

    Args:
        folder: the folder.
        replacement: the report to write, which may be the same one.

    Raises:
        InputError: the folder contains such a report.
    """
    if not os.path.isfile(folder / REPORT_FILE):
        return
    try:
        existing = load_report(folder)
    except (InputError, OSError) as error:
        raise InputError(
            f"{folder} contains a report that cannot be read and may be signed, so it stays; choose another folder. "
            f"({error})"
        ) from error
    if existing.signed and existing != replacement:
        assert existing.review is not None and existing.review.signature is not None
        reviewer = existing.review.signature.reviewer
        raise InputError(f"{folder} contains a report signed by {reviewer!r}, which stays; choose another folder.")


def _write_texts(report: Report, folder: Path) -> None:
    (folder / TEXT_FILE).write_text(report.to_text(), encoding="utf-8")
    (folder / REPORT_FILE).write_text(report.to_json(), encoding="utf-8")
