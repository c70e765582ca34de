"""The ``reg2rg batch`` command."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reg2rg.errors import Reg2RGError

if TYPE_CHECKING:
    from reg2rg.batch.run import BatchProgress

_INPUTS = "Folders, DICOM archives, globs, scans, or a CSV file with the columns path, masks and id; also at URLs."


class BatchInterrupted(Reg2RGError):
    """The user ended the batch."""

    exit_code = 130


def batch(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUTS...", help=_INPUTS)],
    output: Annotated[
        str,
        typer.Option("--output", "-o", help="Folder or URL to write to. Finished cases there are not done again."),
    ],
    options: dict[str, Any],
    measure_only: Annotated[
        bool, typer.Option("--measure-only", help="Measure, without a language model and without reports.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Keep running and take new scans once they are complete, until Ctrl-C.")
    ] = False,
    quiet_seconds: Annotated[
        float, typer.Option(min=0.1, help="With --watch: how long a scan must not change to be complete.")
    ] = 60.0,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=0, help="Processes that prepare cases, each with about 2 GB; by default one per core, up to 4."
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Use a Ray cluster: HOST:PORT, auto, or local to start one on this machine."
        ),
    ] = None,
) -> None:
    """Write the reports of many CTs, and an index and a summary of them."""
    from reg2rg.batch.read_ahead import default_jobs
    from reg2rg.batch.remote import folder_at, is_url
    from reg2rg.batch.run import Watch, describe, run_batch
    from reg2rg.batch.settings import Settings
    from reg2rg.cli.batch_progress import show_batch

    settings = Settings(measure_only, options)
    with show_batch() as shown:
        try:
            done = run_batch(
                inputs,
                folder_at(output) if is_url(output) else Path(output),
                settings,
                jobs=default_jobs() if jobs is None else jobs,
                ray=ray,
                watch=Watch(quiet_seconds, wait) if watch else None,
                on_progress=shown.on_progress,
                on_notice=shown.print,
            )
        except KeyboardInterrupt:
            raise BatchInterrupted(f"{_describe(shown.progress)}. Run the command again to continue.") from None
    if done.left_out:
        print(f"Left out: {describe(done.left_out)}.", file=sys.stderr)
    print(f"{_describe(done)}.", file=sys.stderr)
    print(output)
    if done.failed:
        raise typer.Exit(1)


def wait(seconds: float) -> bool:
    """Wait; Ctrl-C raises KeyboardInterrupt."""
    time.sleep(seconds)
    return False


def _describe(progress: BatchProgress) -> str:
    """Return how a batch ended, such as "3 cases finished, 1 failed, 2 finished before"."""
    parts = [f"{progress.finished} case{'' if progress.finished == 1 else 's'} finished", f"{progress.failed} failed"]
    return ", ".join([*parts, f"{progress.before} finished before"] if progress.before else parts)
