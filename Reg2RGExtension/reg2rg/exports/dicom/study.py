"""All DICOM objects of a report, as files in a folder."""

from __future__ import annotations

import contextlib
import logging
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from reg2rg.errors import InputError, Reg2RGError
from reg2rg.exports.dicom.encapsulated_pdf import make_encapsulated_pdf
from reg2rg.exports.dicom.measurement_report import make_measurement_report
from reg2rg.exports.dicom.narrative import make_narrative
from reg2rg.exports.dicom.placing import placing
from reg2rg.exports.dicom.segmentation import make_segmentation
from reg2rg.exports.dicom.segments import finding_segments, region_segments, structure_segments
from reg2rg.exports.dicom.series import Kind, Origin
from reg2rg.exports.dicom.source import open_source
from reg2rg.exports.dicom.structured_report import SegmentReference, references
from reg2rg.exports.sending.record import FILE as SENT_FILE
from reg2rg.report import STRUCTURES_FILE, Report
from reg2rg.segmentation.label_map import read_structures

if TYPE_CHECKING:
    import SimpleITK as sitk
    from pydicom.dataset import Dataset

DRAFT_MARK = "draft-"
"""Begins the names of all files of a draft."""


def write_dicom(
    report: Report,
    folder: Path,
    ct: Path,
    *,
    study: Mapping[str, str] | None = None,
    make_pdf: Callable[[sitk.Image], bytes] | None = None,
    label_map: bool = False,
) -> None:
    """Write segmentations, structured reports and PDF of a report as DICOM files.

    They belong to the study of the CT. If the CT is not DICOM, it is written as well, as a new series of the given
    study, or of a synthetic one without patient data.

    Args:
        report: the report, loaded from its folder.
        folder: an existing folder.
        ct: the CT from which the report was made: a DICOM folder, a zip file of one, or a volume file.
        study: DICOM keyword -> value, patient and study of a CT that is not DICOM, if they are known.
        make_pdf: returns the PDF of the report, given the CT in HU; without it, none is written.
        label_map: whether to store the structures as a label map, which fewer viewers read.

    Raises:
        InputError: the report was made from another volume, or the headers of the series are not valid.
        Reg2RGError: highdicom is too old.
    """
    check_version()
    source = open_source(report, ct, study)
    pdf = make_pdf(source.volume) if make_pdf is not None else None
    origin = Origin.of(report, source)
    prefix = "" if origin.signed else DRAFT_MARK
    with without_warnings():
        for number, file in enumerate(source.synthetic, 1):
            _save(file, folder / f"ct-{number:04d}.dcm")
        try:
            for kind, dataset in dicom_objects(origin, pdf, label_map):
                _save(dataset, folder / f"{prefix}{kind.file}.dcm")
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            if source.synthetic:
                raise
            raise InputError(
                f"The headers of the series in {ct} cannot be used for DICOM objects ({type(error).__name__}); correct "
                "its headers, or export the volume as a file, such as NIfTI, for a synthetic study."
            ) from error


def check_version() -> None:
    """Raise Reg2RGError if highdicom is older than what these exports need."""
    import highdicom

    if tuple(map(int, highdicom.__version__.split(".")[:2])) < (0, 28):
        raise Reg2RGError(
            f"DICOM exports need highdicom 0.28; {highdicom.__version__} is installed: pip install 'reg2rg[export]'."
        )


def earlier_files(folder: Path) -> list[str]:
    """Return the names of the files in a folder that an earlier export has left there, and a new one replaces.

    Raises:
        InputError: there are other files in the folder, which would be taken for a part of the export.
    """
    if not folder.is_dir():
        return []
    objects = [f"{prefix}{kind.file}.dcm" for kind in Kind for prefix in ("", DRAFT_MARK)]
    found = [file.name for file in folder.iterdir()]
    others = [name for name in found if name not in (*objects, SENT_FILE) and not re.fullmatch(r"ct-\d{4}\.dcm", name)]
    if others:
        raise InputError(
            f"{folder} contains other files ({others[0]}); expected a new folder, or one with an earlier DICOM export."
        )
    return [name for name in found if name != SENT_FILE]


def dicom_objects(origin: Origin, pdf: bytes | None = None, label_map: bool = False) -> Iterator[tuple[Kind, Dataset]]:
    """Yield the objects of a report.

    Args:
        origin: the report and its source.
        pdf: the PDF of the report; without it, none is made.
        label_map: as in ``write_dicom``.
    """
    report = origin.report
    grid = report.provenance.geometry.to_image()
    place = placing(grid, origin.source)
    layers = [
        (Kind.REGIONS, region_segments(report, place)),
        (Kind.FINDINGS, finding_segments(report, origin.content, place)),
    ]
    if report.folder is not None and (report.folder / STRUCTURES_FILE).is_file():
        structures = read_structures(report.folder / STRUCTURES_FILE, grid)
        layers.insert(1, (Kind.STRUCTURES, structure_segments(structures, place)))
    found: dict[str, SegmentReference] = {}
    for kind, layer in layers:
        segments = [segment for segment in layer if segment.mask().any()]
        if segments:
            as_label_map = label_map and kind is Kind.STRUCTURES
            segmentation = make_segmentation(origin, kind, segments, label_map=as_label_map)
            found |= references(segmentation, segments)
            yield kind, segmentation
    yield Kind.NARRATIVE, make_narrative(origin, found)
    yield Kind.MEASUREMENTS, make_measurement_report(origin, found)
    if pdf is not None:
        yield Kind.PDF, make_encapsulated_pdf(origin, pdf)


@contextlib.contextmanager
def without_warnings() -> Iterator[None]:
    """Silence libraries, whose warnings about unusual values would print the name of the patient."""
    logger = logging.getLogger("highdicom")
    disabled, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = disabled


def _save(dataset: Dataset, path: Path) -> None:
    dataset.save_as(path, enforce_file_format=True)
