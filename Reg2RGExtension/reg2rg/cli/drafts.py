"""The ``reg2rg drafts`` command."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from reg2rg.cli.batch import wait
from reg2rg.cli.send import ADDRESS


def drafts(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the service, which keeps all drafts.")],
    options: dict[str, Any],
    orthanc: Annotated[
        str | None, typer.Option(metavar="URL", help="Orthanc that receives the studies, such as http://host:8042.")
    ] = None,
    to: Annotated[str | None, typer.Option(metavar="ADDRESS", help=f"Where to send drafts to: {ADDRESS}")] = None,
    new_only: Annotated[
        bool, typer.Option("--new-only", help="Leave out what Orthanc contains at the first start.")
    ] = False,
    health: Annotated[
        bool, typer.Option("--health", help="Only check whether the service that writes to the folder works.")
    ] = False,
    jobs: Annotated[int | None, typer.Option(min=0, help="As in `reg2rg batch`.")] = None,
    title: Annotated[str, typer.Option("--aet", help="Application entity title of this program.")] = "REG2RG",
    tls_ca: Annotated[Path | None, typer.Option(help="Certificates of the authorities to trust (PEM).")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="This program's own certificate (PEM).")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Private key of that certificate (PEM).")] = None,
) -> None:
    """Draft a report for each CT series that an Orthanc receives, and send it, until Ctrl-C."""
    from reg2rg.drafts.health import check_health
    from reg2rg.errors import InputError

    if health:
        print(f"Healthy: {check_health(output)}.")
        return
    if orthanc is None or to is None:
        raise InputError("The service needs two addresses: --orthanc, where studies come from, and --to, for drafts.")
    from reg2rg.batch.read_ahead import default_jobs
    from reg2rg.batch.settings import Settings
    from reg2rg.cli.batch_progress import BatchView
    from reg2rg.drafts.run import run_drafts
    from reg2rg.pipeline.request import SendRequest

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as a container is stopped
    shown = BatchView()
    try:
        run_drafts(
            orthanc,
            output,
            Settings(False, options),
            SendRequest(to=to, title=title, tls_ca=tls_ca, tls_cert=tls_cert, tls_key=tls_key),
            new_only=new_only,
            jobs=default_jobs() if jobs is None else jobs,
            wait=wait,
            on_progress=shown.on_progress,
            on_notice=shown.print,
        )
    except KeyboardInterrupt:
        print("Stopped. Start it again to continue.", file=sys.stderr)
