"""The ``reg2rg send`` command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from reg2rg.errors import InputError, Reg2RGError

_FOLDER = "Folder with DICOM files, or a report folder, which is exported with --ct first."
ADDRESS = "dicom://AET@host:port, with TLS dicoms://AET@host:port, or the https:// URL of a DICOMweb service."


class SendInterrupted(Reg2RGError):
    """The user ended the transfer."""

    exit_code = 130


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
    from reg2rg.exports.sending.send import objects
    from reg2rg.pipeline.events import Event, Notice, Sending, Sent
    from reg2rg.pipeline.request import SendRequest
    from reg2rg.pipeline.sending import run_send

    if folder is None and not echo:
        raise InputError("There is nothing to send; name a folder with DICOM files or a report folder.")
    if echo and (folder is not None or ct is not None or again):
        raise InputError("--echo sends nothing; leave out the folder, --ct and --again, or leave out --echo.")
    request = SendRequest(
        to=to,
        folder=folder,
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

        try:
            done = run_send(request, on_event)
        except KeyboardInterrupt:
            raise SendInterrupted(
                "Interrupted; what was stored until then is recorded. Send again to transfer the rest."
            ) from None
    if isinstance(done, Sent):
        earlier = f"; {done.stored_before} had been stored before" if done.stored_before else ""
        print(f"{objects(done.count)} stored by {done.address}{earlier}.")
        if done.warning:
            print(done.warning, file=sys.stderr)
    else:
        print(f"{done.address} answers.")
