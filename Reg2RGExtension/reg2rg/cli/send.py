"""The ``reg2rg send`` command."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from reg2rg.exports.sending.address import Address

_FOLDER = "Folder with DICOM files, or a report folder, which is exported with --ct first."
_ADDRESS = "dicom://AET@host:port, with TLS dicoms://AET@host:port, or the https:// URL of a DICOMweb service."


def send(
    to: Annotated[str, typer.Option("--to", metavar="ADDRESS", help=f"Where to send to: {_ADDRESS}")],
    folder: Annotated[Path | None, typer.Argument(metavar="FOLDER", help=_FOLDER)] = None,
    echo: Annotated[bool, typer.Option("--echo", help="Only check that the address answers.")] = False,
    ct: Annotated[Path | None, typer.Option("--ct", help="The CT of a report folder.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Also send what was stored before.")] = False,
    title: Annotated[str, typer.Option("--aet", help="Application entity title of this program.")] = "REG2RG",
    tls_ca: Annotated[Path | None, typer.Option(help="Certificates of the authorities to trust (PEM).")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="This program's own certificate (PEM).")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Private key of that certificate (PEM).")] = None,
) -> None:
    """Send DICOM objects to a DICOM node or a DICOMweb service. Nothing is ever sent without this command."""
    from reg2rg.cli.progress import show_progress
    from reg2rg.errors import InputError
    from reg2rg.exports.sending.address import parse_address
    from reg2rg.exports.sending.send import open_receiver, send_folder
    from reg2rg.exports.sending.tls import Certificates

    address = parse_address(to)
    receiver = open_receiver(address, Certificates(tls_ca, tls_cert, tls_key), title)
    if echo:
        receiver.echo()
        print(f"{address} answers.")
        return
    if folder is None:
        raise InputError("There is nothing to send; name a folder with DICOM files or a report folder.")
    _warn_without_encryption(address)
    with _dicom_folder(folder, ct) as files, show_progress() as progress:
        sent, before = send_folder(files, address, receiver, record_in=folder, again=again, progress=progress)
    earlier = f"; {before} had been stored before" if before else ""
    print(f"{sent} objects stored by {address}{earlier}.")


def _warn_without_encryption(address: Address) -> None:
    if not address.encrypted and address.host not in ("localhost", "127.0.0.1", "::1"):
        print(f"The connection to {address} is not encrypted.", file=sys.stderr)


@contextlib.contextmanager
def _dicom_folder(folder: Path, ct: Path | None) -> Iterator[Path]:
    """Provide the folder with the DICOM files: the given one, or an export of the given report."""
    from reg2rg.errors import InputError
    from reg2rg.exports.formats import export_report
    from reg2rg.report import REPORT_FILE, load_report
    from reg2rg.runtime.staging import scratch_folder

    if not (folder / REPORT_FILE).is_file():
        if ct is not None:
            raise InputError(f"{folder} is not a report folder; --ct is only needed for report folders.")
        yield folder
        return
    with scratch_folder() as scratch:
        yield export_report(load_report(folder), "dicom", scratch / "dicom", ct)
