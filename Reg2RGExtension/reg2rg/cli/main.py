"""The ``reg2rg`` command. Results go to standard output, all else to standard error; an error message is one line."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated, cast

import typer

from reg2rg.about import DRAFT_LABEL, __version__
from reg2rg.cli.batch import batch
from reg2rg.cli.drafts import drafts
from reg2rg.cli.export import export
from reg2rg.cli.learn import learn
from reg2rg.cli.models import models
from reg2rg.cli.options import request_command, with_request_options
from reg2rg.cli.review_stats import review_stats
from reg2rg.cli.send import send
from reg2rg.cli.shards import shards
from reg2rg.cli.streams import prepare_streams
from reg2rg.cli.train import train
from reg2rg.errors import Cancelled
from reg2rg.pipeline.request import FIELDS_OF_A_CASE, MeasureRequest, ReportRequest, SegmentRequest
from reg2rg.runtime.dataclass_io import MAX_SEED
from reg2rg.runtime.third_party import configure_libraries

INTERRUPTED = 130

_interrupted = threading.Event()
"""Set by Ctrl-C, in addition to the exception it raises: some libraries swallow exceptions while being imported."""

# The name of typer's base class of usage errors differs between versions; this public class derives from it and has the
# same members.
_UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__base__)

OutputFolder = Annotated[Path, typer.Option("--output", "-o", help="Folder to write the report to.")]


def _report(request: ReportRequest) -> None:
    """Generate a draft report for a chest CT."""
    from reg2rg.cli.progress import show_events
    from reg2rg.pipeline.run import run_report
    from reg2rg.report import load_report

    with show_events() as on_event:
        done = run_report(request, on_event, _interrupted.is_set)
    print(f"Model {load_report(done.folder).provenance.model_words}.", file=sys.stderr)
    print(done.folder)


def _segment(request: SegmentRequest) -> None:
    """Segment the regions of a chest CT without writing a report."""
    from reg2rg.cli.progress import show_events
    from reg2rg.pipeline.run import run_segmentation

    with show_events() as on_event:
        run_segmentation(request, on_event, _interrupted.is_set)
    print(request.output)


def _measure(request: MeasureRequest) -> None:
    """Measure a chest CT: volumes, densities and diameters, with their conditions and published cut-offs."""
    from reg2rg.cli.measurement_table import print_measurements
    from reg2rg.cli.progress import show_events
    from reg2rg.pipeline.run import run_measurement

    with show_events() as on_event:
        evidence, _ = run_measurement(request, on_event, _interrupted.is_set)
    print_measurements(evidence)
    print(request.output)


def _demo(output: OutputFolder = Path("reg2rg-demo")) -> None:
    """Generate a draft report for the sample case."""
    from reg2rg.runtime.resources import sample_case

    volume, regions = sample_case()
    _report(ReportRequest(volume=volume, output=output, regions_file=regions))


def _desktop(
    ct: Annotated[Path | None, typer.Argument(metavar="[CT]", help="Volume to load at startup.")] = None,
    screenshot: Annotated[
        Path | None,
        typer.Option(help="Without a display: report on CT (or the sample case) and save a screenshot of the window."),
    ] = None,
    size: Annotated[str, typer.Option(help="Window size, WIDTHxHEIGHT pixels.")] = "1280x800",
) -> None:
    """Open the Slicer module in its own window, without Slicer."""
    from reg2rg.errors import InputError, Reg2RGError

    try:
        from slicer_host.desktop import has_display, open_window
        from slicer_host.screenshot import save_screenshot
    except ImportError as error:
        raise Reg2RGError(f"The desktop requires more packages ({error}): pip install 'reg2rg[desktop]'.") from error
    width, _, height = size.partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) >= 800 and int(height) >= 600):
        raise InputError(f"{size!r} is not a valid window size; expected WIDTHxHEIGHT of at least 800x600.")
    if ct is not None and not ct.exists():
        raise InputError(f"{ct} does not exist; expected a file or folder.")
    if screenshot is None and not has_display():
        raise Reg2RGError("No display is available; use --screenshot FILE to save a picture of the window.")
    try:
        if screenshot is None:
            raise typer.Exit(open_window(ct))
        screenshot.parent.mkdir(parents=True, exist_ok=True)
        save_screenshot(screenshot, ct, (int(width), int(height)))
    except (ImportError, RuntimeError) as error:
        raise Reg2RGError(str(error)) from error
    print(screenshot)


def _evaluate(
    predictions: Annotated[
        list[Path],
        typer.Argument(metavar="PREDICTIONS...", help="CSV (AccNum, GT..., Pred...), region files, report folders."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write tables and plots to.")],
    references: Annotated[
        Path | None, typer.Option(help="CSV (Volumename, Anatomy, Sentence) with references, used instead of GT.")
    ] = None,
    level: Annotated[str | None, typer.Option(help="report or region; by default, whichever fits the files.")] = None,
    labeler: Annotated[str, typer.Option(help="Labeler: rules, or a folder with RadBERT.")] = "rules",
    compare: Annotated[
        Path | None, typer.Option(metavar="OTHER", help="Predictions of a second system to compare with.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed.", min=0, max=MAX_SEED)] = 0,
) -> None:
    """Score predicted reports against their references."""
    from reg2rg import evaluation
    from reg2rg.cli.progress import show_progress

    with show_progress() as progress:
        page = evaluation.run(
            predictions,
            output,
            references=references,
            level=level,
            labeler=labeler,
            compare_with=compare,
            seed=seed,
            progress=progress,
        )
    print(page)


def _info() -> None:
    """Show versions, devices, segmenters and models."""
    from reg2rg.cli.info import describe_installation

    for name, value in describe_installation().items():
        print(f"{name:<18}{value}")


app = typer.Typer(
    help=f"Draft chest CT reports in which every section is tied to a region of the image. {DRAFT_LABEL}",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("report")(request_command(ReportRequest, _report))
app.command("segment")(request_command(SegmentRequest, _segment))
app.command("measure")(request_command(MeasureRequest, _measure))
app.command("batch")(with_request_options(ReportRequest, batch, FIELDS_OF_A_CASE))
app.command("drafts")(with_request_options(ReportRequest, drafts, (*FIELDS_OF_A_CASE, "mapping")))
app.command("demo")(_demo)
app.command("desktop")(_desktop)
app.command("export")(export)
app.command("send")(send)
app.command("evaluate")(_evaluate)
app.command("review-stats")(review_stats)
app.command("info")(_info)
app.command("train")(train)
app.command("shards")(shards)
app.command("learn")(learn)
app.add_typer(models)


@app.callback(invoke_without_command=True)
def _top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if version:
        print(f"reg2rg {__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


def main() -> None:
    """Run the command line.

    The exit code is 0 for success, 1 for failure, 2 for invalid input, 3 if a model got worse, and 130 if the user
    interrupted the command.
    """
    prepare_streams()
    configure_libraries()
    signal.signal(signal.SIGINT, _interrupt)
    threading.excepthook = _report_thread_error
    sys.exit(_run(sys.argv[1:]))


def _report_thread_error(arguments: threading.ExceptHookArgs) -> None:
    """Report an error in a thread of a library, unless it is one of the disk, which the main thread meets as well."""
    if not isinstance(arguments.exc_value, OSError):
        threading.__excepthook__(arguments)


def _interrupt(number: int, frame: object) -> None:
    _interrupted.set()
    raise KeyboardInterrupt


def _run(arguments: list[str]) -> int:
    """Run a command and return the exit code."""
    if any(argument == "" or re.fullmatch("--[a-z-]+=", argument) for argument in arguments):
        # As a path, it would be the current folder.
        return _fail("An argument is empty; expected a value: is a variable of the shell not set?", 2)
    try:
        code = app(arguments, prog_name="reg2rg", standalone_mode=False) or 0
        sys.stdout.flush()  # here, so that a full disk or a closed pipe is handled like any other error
    except (KeyboardInterrupt, typer.Abort, Cancelled):
        code = INTERRUPTED
    except _UsageError as error:
        return _fail(f"{error.format_message().rstrip('.')}; see `reg2rg --help`.", error.exit_code)
    except BrokenPipeError:  # the reader has gone, as in `reg2rg ... | head -1`
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        return 1
    except Exception as error:
        from reg2rg.pipeline.failures import as_failure

        failure = as_failure(error)
        return _fail(failure.message, failure.exit_code)
    return _fail("Interrupted; nothing was written.", code) if code == INTERRUPTED else code


def _fail(message: str, code: int) -> int:
    print(f"reg2rg: {' '.join(message.split())}", file=sys.stderr)
    return code
