"""The ``reg2rg send`` command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

_FOLDER = "Folder with DICOM files, or a report folder, which is exported with --ct first."
ADDRESS = "dicom://AET@host:port, with TLS dicoms://AET@host:port, or the https:// URL of a DICOMweb service."


def send(
    to: Annotated[str, typer.Option("--to", metavar="ADDRESS", help=f"Where to send to: {ADDRESS}")],
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
    from reg2rg.pipeline.events import Event, Notice, Sending, Sent
    from reg2rg.pipeline.request import SendRequest
    from reg2rg.pipeline.sending import run_send

    if folder is None and not echo:
        raise InputError("There is nothing to send; name a folder with DICOM files or a report folder.")
    request = SendRequest(
        to=to,
        folder=None if echo else folder,
        ct=ct,
        again=again,
        title=title,
        tls_ca=tls_ca,
        tls_cert=tls_cert,
        tls_key=tls_key,
    )
    with show_progress() as progress:

        def on_event(event: Event) -> None:
            if isinstance(event, Sending):
                progress(event.fraction, event.message)
            elif isinstance(event, Notice):
                print(event.message, file=sys.stderr)

        done = run_send(request, on_event)
    if isinstance(done, Sent):
        earlier = f"; {done.stored_before} had been stored before" if done.stored_before else ""
        print(f"{done.count} objects stored by {done.address}{earlier}.")
    else:
        print(f"{done.address} answers.")
