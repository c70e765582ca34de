"""The command line: ``reg2rg``. No logic of its own; results go to standard output, all else to standard error."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from reg2rg import DRAFT_LABEL, __version__

if TYPE_CHECKING:
    from reg2rg.request import ReportRequest

INTERRUPTED = 130

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# Typer's own name for its usage errors differs between versions; all derive from the base of this public one.
_UsageError = typer.BadParameter.__base__

Ct = Annotated[Path, typer.Argument(metavar="CT", help="NIfTI, NRRD, MetaImage, a DICOM folder or a zip of one.")]
Series = Annotated[str | None, typer.Option(help="Number or UID of the DICOM series; the largest CT series if not given.")]
