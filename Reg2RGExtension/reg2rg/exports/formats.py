"""The formats a report can be exported to: one table for the command line and the Slicer module.

To add a format, write a function that takes a report, a path and the images of the report, and add a line to
``FORMATS``. Writers are imported when they are used, because the command line reads the table each time it starts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reg2rg.errors import InputError, Reg2RGError
from reg2rg.exports.images import Images

if TYPE_CHECKING:
    import SimpleITK as sitk

    from reg2rg.report import Report

Writer = Callable[["Report", Path, Images], None]
"""Writes a report to a path, with what is known of its images."""


@dataclass(frozen=True)
class Format:
    """A format that a report can be exported to.

    Attributes:
        name: name on the command line.
        label: name in the Export menu of the Slicer module.
        extension: extension of the file, such as ".txt"; empty if the format is a folder of files.
        write: writes a report in this format.
        replaces: returns the names of files in an existing folder that an export to it replaces; InputError if the
            folder cannot be exported to.
        shows_ct: whether it contains voxels of the CT.
        refers_to_ct: whether it refers to the DICOM series of the CT and contains what its headers say of the patient.
            Only these formats are given DICOM headers.
        links_to_images: whether it contains links to a DICOMweb service.
        marks_drafts: whether "draft" is a part of the name until the report is signed.
        adds: whether the folder is a collection to which reports are added one by one, each of them at once.
    """

    name: str
    label: str
    extension: str
    write: Writer
    replaces: Callable[[Path], Collection[str]] = lambda folder: ()
    shows_ct: bool = False
    refers_to_ct: bool = False
    links_to_images: bool = False
    marks_drafts: bool = True
    adds: bool = False


def _write_text(report: Report, path: Path, images: Images) -> None:
    path.write_text(report.to_text(), encoding="utf-8")


def _write_markdown(report: Report, path: Path, images: Images) -> None:
    from reg2rg.exports.markdown import write_markdown

    write_markdown(report, path)


def _write_dicom(report: Report, path: Path, images: Images, *, label_map: bool = False) -> None:
    from reg2rg.exports.dicom.study import write_dicom
    from reg2rg.exports.pdf.document import make_pdf

    if images.ct is None:
        raise InputError("DICOM objects refer to the CT; name it with --ct: the DICOM folder, or the volume file.")
    write_dicom(
        report,
        path,
        images.ct,
        study=images.study,
        make_pdf=lambda volume: make_pdf(report, volume),
        label_map=label_map,
    )


def _write_dicom_label_map(report: Report, path: Path, images: Images) -> None:
    _write_dicom(report, path, images, label_map=True)


def _earlier_dicom_files(folder: Path) -> Collection[str]:
    from reg2rg.exports.dicom.study import earlier_files

    return earlier_files(folder)


def _write_folder(report: Report, path: Path, images: Images) -> None:
    from reg2rg.exports.report_folder import copy_report_folder

    copy_report_folder(report, path, images.ct)


def _folder_files(folder: Path) -> Collection[str]:
    from reg2rg.report import REPORT_FILES

    return REPORT_FILES


def _write_html(report: Report, path: Path, images: Images) -> None:
    from reg2rg.exports.html.page import write_html

    write_html(report, _volume(report, images.ct), path)


def _write_pdf(report: Report, path: Path, images: Images) -> None:
    from reg2rg.exports.pdf.document import write_pdf

    write_pdf(report, _volume(report, images.ct), path)


def _write_fhir(report: Report, path: Path, images: Images) -> None:
    from reg2rg.exports.fhir.bundle import write_fhir

    if images.ct is None:
        raise InputError("FHIR bundles refer to the CT; name it with --ct: the DICOM folder, or the volume file.")
    write_fhir(report, images.ct, path, study=images.study, dicomweb=images.dicomweb)


def _write_radgenome(report: Report, path: Path, images: Images) -> None:
    from reg2rg.exports.radgenome import write_radgenome

    write_radgenome(report, _volume(report, images.ct), path)


def _volume(report: Report, ct: Path | None) -> sitk.Image | None:
    from reg2rg.exports.source_ct import read_source_ct

    return None if ct is None else read_source_ct(report, ct)


FORMATS = {
    each.name: each
    for each in (
        Format("folder", "Report folder", "", _write_folder, _folder_files, shows_ct=True, marks_drafts=False),
        Format("text", "Plain text", ".txt", _write_text),
        Format("markdown", "Markdown", ".md", _write_markdown),
        Format("html", "HTML page with pictures", ".html", _write_html, shows_ct=True),
        Format("pdf", "PDF", ".pdf", _write_pdf, shows_ct=True),
        Format("dicom", "DICOM (SEG, SR, PDF)", "", _write_dicom, _earlier_dicom_files, refers_to_ct=True),
        Format(
            "dicom-labelmap",
            "DICOM, structures as label map",
            "",
            _write_dicom_label_map,
            _earlier_dicom_files,
            refers_to_ct=True,
        ),
        Format("fhir", "FHIR bundle (IMR)", ".json", _write_fhir, refers_to_ct=True, links_to_images=True),
        Format("radgenome", "Training case (RadGenome-ChestCT)", "", _write_radgenome, shows_ct=True, adds=True),
    )
}
"""Name -> format, in the order of the Export menu."""


def export_report(
    report: Report,
    format_name: str,
    path: Path,
    ct: Path | None = None,
    *,
    study: Mapping[str, str] | None = None,
    dicomweb: str | None = None,
) -> Path:
    """Export a report. Either the whole export appears or nothing.

    Args:
        report: the report, from a report folder if the format contains regions or findings.
        format_name: one of ``FORMATS``.
        path: the file or folder to write. "-draft" is added to its name unless the report is signed. (A report folder,
            which is the record itself, keeps its name.)
        ct: the CT (a file, or a folder with a DICOM series) for formats that contain slices or refer to the series.
        study: DICOM keyword -> value, patient and study of a CT without DICOM headers, for formats that refer to it.
        dicomweb: address of the DICOMweb service that stores the images, for formats that contain links.

    Returns:
        The file or folder that was written.

    Raises:
        InputError: the format is unknown, the report or the CT lacks what the format needs, or a signed report is in
            the way.
        Reg2RGError: a package that the format needs is not installed.
    """
    if format_name not in FORMATS:
        raise InputError(f"Unknown format {format_name!r}; expected one of: {', '.join(FORMATS)}.")
    export = FORMATS[format_name]
    if dicomweb is not None and not export.links_to_images:
        linked = ", ".join(each.name for each in FORMATS.values() if each.links_to_images)
        raise InputError(f"The format {format_name} has no links to a DICOMweb service; expected one of: {linked}.")
    try:
        return _export(report, export, path, Images(ct, study or {}, dicomweb))
    except ImportError as error:
        raise Reg2RGError(
            f"The format {format_name} needs more packages ({error}): pip install 'reg2rg[export]'."
        ) from error


def _export(report: Report, export: Format, path: Path, images: Images) -> Path:
    if export.adds:
        export.write(report, path, images)
        return path
    target = _named(path, export, report.signed)
    from reg2rg.exports.report_folder import staged_file, staged_report

    if export.extension:
        with staged_file(target) as staging:
            export.write(report, staging / target.name, images)
    else:
        with staged_report(target, export.replaces(target), report) as staging:
            export.write(report, staging, images)
    return target


def _named(path: Path, export: Format, signed: bool) -> Path:
    """Return the path to write to: with the extension of the format, and with "draft" in the name of a draft.

    Raises:
        InputError: the path has no name that could be extended.
    """
    if path.name in ("", ".."):  # the current folder, its parent, or the root of the file system
        raise InputError(f"{path} is not the name of something to write; expected a new file or folder.")
    stem = path.name.removesuffix(export.extension)
    if export.marks_drafts and not signed and "draft" not in stem.lower():
        stem += "-draft"
    return path.with_name(stem + export.extension)
