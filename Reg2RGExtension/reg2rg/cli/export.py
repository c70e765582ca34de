"""The ``reg2rg export`` command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reg2rg.exports.formats import FORMATS

_NAMES = "; ".join(f"{each.name} ({each.label})" for each in FORMATS.values())


def export(
    report: Annotated[Path, typer.Argument(metavar="REPORT", help="Report folder.")],
    format_name: Annotated[str, typer.Option("--format", "-f", metavar="NAME", help=f"One of: {_NAMES}.")],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="File or folder to write; '-draft' is added unless the report is signed."),
    ],
    ct: Annotated[
        Path | None,
        typer.Option("--ct", help="The CT (file or DICOM folder), for slices and for references to the DICOM series."),
    ] = None,
    dicomweb: Annotated[
        str | None,
        typer.Option("--dicomweb", metavar="URL", help="DICOMweb service that stores the images, for links to them."),
    ] = None,
) -> None:
    """Export a report to another format."""
    from reg2rg.errors import InputError
    from reg2rg.exports.formats import export_report
    from reg2rg.report import load_report

    if ct is not None and not ct.exists():
        raise InputError(f"{ct} does not exist; expected a file or folder.")
    print(export_report(load_report(report), format_name, output, ct, dicomweb=dicomweb))
