"""The command line: ``reg2rg``. Results go to standard output, all else to standard error; an error is one line."""

from __future__ import annotations

import re
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reg2rg import DRAFT_LABEL, __version__
from reg2rg.cli.models import models
from reg2rg.cli.train import train
from reg2rg.errors import Cancelled
from reg2rg.runtime.third_party import quiet_libraries

if TYPE_CHECKING:
    from reg2rg.pipeline.request import ReportRequest

INTERRUPTED = 130

_interrupted = threading.Event()
"""Set by Ctrl-C, beside the exception it raises: some libraries swallow any exception while they are imported."""

app = typer.Typer(
    help=f"A chest CT in, a report whose every section belongs to a region out. {DRAFT_LABEL}",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(models)
app.command()(train)

# Typer's own name for its usage errors differs between versions; all derive from the base of this public one.
_UsageError = typer.BadParameter.__base__

Ct = Annotated[Path, typer.Argument(metavar="CT", help="NIfTI, NRRD, MetaImage, a DICOM folder or a zip of one.")]
Folder = Annotated[Path, typer.Option("--output", "-o", help="Folder to write the report into.")]
Series = Annotated[str | None, typer.Option(help="Number or UID of the DICOM series, where there are several.")]
Segmenter = Annotated[str, typer.Option(help="auto, totalsegmentator or thresholds.")]
Regions = Annotated[Path | None, typer.Option(help="Label map or .seg.nrrd to take the regions from instead.")]
Map = Annotated[
    list[str] | None,
    typer.Option(metavar="LABEL=REGION", help="Region of a label in --regions; can be repeated."),
]
Weights = Annotated[Path | None, typer.Option(help="Folder with TotalSegmentator's weights.")]
Fast = Annotated[bool, typer.Option("--fast", help="Segment faster and coarser (totalsegmentator).")]
Only = Annotated[
    list[str] | None, typer.Option(metavar="REGION", help="Only this region, for a first look; can be repeated.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, mps, cuda or cuda:N.")]
Model = Annotated[str | None, typer.Option(help="Name of an installed model, or a model folder.")]
Precision = Annotated[str, typer.Option(help="Of the language model: auto, fp32, bf16, fp16, 8bit or 4bit.")]
Decoding = Annotated[
    str, typer.Option(help="sequence (one text for all regions), parallel (one a region), or auto: as trained.")
]
Sample = Annotated[bool, typer.Option("--sample", help="Draw words by chance (top-k) instead of the most probable.")]
MaxNewTokens = Annotated[int, typer.Option(min=1, help="Limit of what the model writes per text.")]
NoCues = Annotated[bool, typer.Option("--no-cues", help="Let the model write without what its finding head saw.")]
Said = Annotated[
    list[str] | None,
    typer.Option(
        metavar="REGION:FINDING=yes|no",
        help='What you know better, such as "lung:Lung nodule=no"; the text follows it. Can be repeated.',
    ),
]
Seed = Annotated[int, typer.Option(help="Of random numbers.")]


@app.callback(invoke_without_command=True)
def _top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if version:
        print(f"reg2rg {__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def report(
    ct: Ct,
    output: Folder,
    model: Model = None,
    segmenter: Segmenter = "auto",
    regions: Regions = None,
    map: Map = None,
    weights: Weights = None,
    fast: Fast = False,
    only: Only = None,
    device: Device = "auto",
    precision: Precision = "auto",
    decoding: Decoding = "auto",
    sample: Sample = False,
    max_new_tokens: MaxNewTokens = 500,
    series: Series = None,
    seed: Seed = 0,
    no_cues: NoCues = False,
    said: Said = None,
) -> None:
    """Write the report of a chest CT."""
    from reg2rg.pipeline.request import ReportRequest

    _run(
        ReportRequest(
            volume=ct,
            output=output,
            series=series,
            segmenter=segmenter,
            regions_file=regions,
            mapping=_mapping(map),
            weights=weights,
            fast=fast,
            only=tuple(only or ()),
            device=device,
            model=model,
            precision=precision,
            decoding=decoding,
            sample=sample,
            max_new_tokens=max_new_tokens,
            seed=seed,
            said=_corrections(said),
            cues=not no_cues,
        )
    )


@app.command()
def segment(
    ct: Ct,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write the regions into, .seg.nrrd.")],
    segmenter: Segmenter = "auto",
    regions: Regions = None,
    map: Map = None,
    weights: Weights = None,
    fast: Fast = False,
    only: Only = None,
    device: Device = "auto",
    series: Series = None,
) -> None:
    """Find the regions of a chest CT; no report."""
    from reg2rg.cli.progress import shown_progress
    from reg2rg.pipeline import run as pipeline
    from reg2rg.pipeline.request import SegmentRequest

    request = SegmentRequest(
        volume=ct,
        output=output,
        series=series,
        segmenter=segmenter,
        regions_file=regions,
        mapping=_mapping(map),
        weights=weights,
        fast=fast,
        only=tuple(only or ()),
        device=device,
    )
    with shown_progress() as show:
        pipeline.segment(request, show, _interrupted.is_set)
    print(output)


@app.command()
def demo(output: Folder = Path("reg2rg-demo")) -> None:
    """Write the report of the sample case."""
    from reg2rg.pipeline.request import ReportRequest
    from reg2rg.runtime.resources import sample_case

    volume, regions = sample_case()
    _run(ReportRequest(volume=volume, output=output, regions_file=regions))


@app.command()
def desktop(
    ct: Annotated[Path | None, typer.Argument(metavar="[CT]", help="A volume to begin with.")] = None,
    screenshot: Annotated[
        Path | None, typer.Option(help="Make a report headless (of the sample case without CT) and save a picture.")
    ] = None,
    size: Annotated[str, typer.Option(help="Of the window, WIDTHxHEIGHT pixels.")] = "1280x800",
) -> None:
    """Open the Slicer module in a window of its own, without Slicer."""
    from reg2rg.errors import InputError, Reg2RGError

    try:
        from slicer_host import desktop as window
    except ImportError as error:
        raise Reg2RGError(f"The desktop needs more packages ({error}): pip install 'reg2rg[desktop]'.") from error
    width, _, height = size.partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) >= 800 and int(height) >= 600):
        raise InputError(f"The size {size!r} is no WIDTHxHEIGHT of at least 800x600.")
    if ct is not None and not ct.exists():
        raise InputError(f"{ct}: no such file or folder.")
    if screenshot is None and not window.has_display():
        raise Reg2RGError("There is no display to open a window on; --screenshot FILE saves a picture instead.")
    try:
        if screenshot is None:
            raise typer.Exit(window.open_window(ct))
        screenshot.parent.mkdir(parents=True, exist_ok=True)
        window.save_picture(screenshot, ct, (int(width), int(height)))
    except (ImportError, RuntimeError) as error:
        raise Reg2RGError(str(error)) from error
    print(screenshot)


@app.command()
def evaluate(
    predictions: Annotated[
        list[Path],
        typer.Argument(metavar="PREDICTIONS...", help="CSV (AccNum, GT..., Pred...), region files, report folders."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write tables and pictures into.")],
    references: Annotated[
        Path | None, typer.Option(help="CSV (Volumename, Anatomy, Sentence) to compare with instead of GT.")
    ] = None,
    level: Annotated[str | None, typer.Option(help="report or region; what fits the files if not given.")] = None,
    reader: Annotated[str, typer.Option(help="Of findings: rules, or a folder with RadBERT.")] = "rules",
    compare: Annotated[
        Path | None, typer.Option(metavar="OTHER", help="Predictions of a second system, to compare with.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Score predicted reports against their references."""
    from reg2rg import evaluation
    from reg2rg.cli.progress import shown_fraction

    with shown_fraction() as progress:
        page = evaluation.run(
            predictions,
            output,
            references=references,
            level=level,
            labeler=reader,
            compare_with=compare,
            seed=seed,
            progress=progress,
        )
    print(page)


@app.command()
def info() -> None:
    """Show versions, devices, segmenters and models."""
    from reg2rg.cli.info import describe_installation

    for name, value in describe_installation().items():
        print(f"{name:<18}{value}")


def main() -> None:
    """Entry point; ends the process with 0, 1 (failure), 2 (what was given is at fault) or 130 (interrupted)."""
    quiet_libraries()
    signal.signal(signal.SIGINT, _interrupt)
    code = _outcome(sys.argv[1:])
    sys.exit(code)


def _interrupt(number: int, frame: object) -> None:
    _interrupted.set()
    raise KeyboardInterrupt


def _outcome(arguments: list[str]) -> int:
    try:
        code = app(arguments, prog_name="reg2rg", standalone_mode=False) or 0
        sys.stdout.flush()  # here, so that a full disk or a closed pipe is an error like others
    except (KeyboardInterrupt, typer.Abort, Cancelled):
        code = INTERRUPTED
    except _UsageError as error:
        return _say(f"{error.format_message().rstrip('.')}; see `reg2rg --help`.", error.exit_code)
    except Exception as error:
        from reg2rg.pipeline.failures import as_failure

        failure = as_failure(error)
        return _say(failure.message, failure.exit_code)
    return _say("Interrupted; nothing was written.", code) if code == INTERRUPTED else code


def _say(message: str, code: int) -> int:
    print(f"reg2rg: {' '.join(message.split())}", file=sys.stderr)
    return code


def _run(request: ReportRequest) -> None:
    from reg2rg.cli.progress import shown_progress
    from reg2rg.pipeline import run as pipeline

    with shown_progress() as show:
        done = pipeline.run(request, show, _interrupted.is_set)
    print(done.folder)


def _mapping(pairs: list[str] | None) -> dict[str, str]:
    wrong = [pair for pair in pairs or [] if "=" not in pair]
    if wrong:
        raise typer.BadParameter(f"{wrong[0]!r} is not LABEL=REGION.", param_hint="--map")
    return dict(pair.rsplit("=", 1) for pair in pairs or [])


def _corrections(entries: list[str] | None) -> dict[str, dict[str, bool]]:
    said: dict[str, dict[str, bool]] = {}
    for entry in entries or []:
        match = re.fullmatch(r"\s*([^:]+?)\s*:\s*([^=]+?)\s*=\s*(yes|no)\s*", entry)
        if match is None:
            raise typer.BadParameter(f"{entry!r} is not REGION:FINDING=yes or =no.", param_hint="--said")
        region, label, answer = match.groups()
        said.setdefault(region, {})[label] = answer == "yes"
    return said


if __name__ == "__main__":
    main()
