"""The pipeline: the only room that knows the whole way from a volume to a report folder."""

from __future__ import annotations

import datetime
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import SimpleITK as sitk

from reg2rg.checkpoints import ModelFolder
from reg2rg.cli.info import versions
from reg2rg.errors import InputError
from reg2rg.exports.report_folder import FINDINGS_FILE, SEGMENTATION_FILE, write_report_folder
from reg2rg.exports.segmentation_nrrd import write_findings, write_segmentation
from reg2rg.hub import find_model
from reg2rg.pipeline import model_cache
from reg2rg.pipeline.events import FindingsLocated, Notice, RegionsFound, ReportDone, Stage
from reg2rg.pipeline.progress import EventCallback, RunContext, SectionEvents
from reg2rg.pipeline.request import ReportRequest, SegmentRequest
from reg2rg.regions import in_reading_order
from reg2rg.report import (
    UNFAMILIAR,
    Familiarity,
    Geometry,
    Provenance,
    Section,
    Seen,
    build_report,
    build_section,
)
from reg2rg.runtime.callbacks import ProgressCallback, ShouldCancel, never_cancel
from reg2rg.runtime.devices import choose_device
from reg2rg.runtime.staging import redirected_tempdir, staged_output
from reg2rg.segmentation import NOT_REQUESTED, RegionMasks, choose_segmenter
from reg2rg.volumes import read_volume

if TYPE_CHECKING:  # torch and transformers come only once a volume has been read
    from reg2rg.inference import GeneratedSection, ReportGenerator
    from reg2rg.inference.placement import Placement
    from reg2rg.models.config import ModelConfig
    from reg2rg.preprocessing import ModelInputs


def run(request: ReportRequest, on_event: EventCallback, should_cancel: ShouldCancel = never_cancel) -> ReportDone:
    """Read a volume, find its regions, write its report.

    Nothing appears in ``request.output`` before the whole report does. Cancelled is raised soon after ``cancelled()``
    says yes; other errors come as they are (reg2rg.pipeline.failures puts them into words).
    """
    context = RunContext(on_event, should_cancel)
    model_folder = ModelFolder.open(find_model(request.model))
    with redirected_tempdir(), staged_output(request.output) as folder:
        volume = _read(request, context)
        config, placement = model_folder.config, _place(request, model_folder, context)
        device = choose_device(request.device)
        masks, reason = _find_regions(request, device, volume, folder / SEGMENTATION_FILE, context)
        inputs = _prepare(config, volume, masks, request.only, context)
        generator = _load(model_folder, placement, context)
        with context.stage(Stage.WRITE, "Looking at the regions") as progress:
            seen = _look(request, generator, inputs, masks, folder / FINDINGS_FILE, context)
            progress(0.0, "Writing the sections")
            build = functools.partial(build_section, volume=volume, masks=masks, seen=seen)
            written = _write(request, generator, inputs, build, context, progress)
        with context.stage(Stage.SAVE, "Writing the report folder"):
            provenance = Provenance(
                model=config.name,
                model_sha256=model_folder.weights_sha256,
                decoding=_decoding(request, config),
                device=placement.device,
                precision=placement.precision,
                seed=request.seed,
                max_new_tokens=request.max_new_tokens,
                segmenter=masks.segmenter,
                segmenter_reason=reason,
                versions=versions(),
                created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                seconds=context.seconds,
                geometry=Geometry.of(volume),
            )
            not_asked = {name: NOT_REQUESTED for name in inputs.textures if name not in request.only}
            skipped = {**inputs.skipped, **(not_asked if request.only else {})}
            report = build_report(written, volume, masks, provenance, skipped, seen)
            write_report_folder(report, volume, masks, folder)
            outlined = (folder / FINDINGS_FILE).exists()
    if not outlined:
        (request.output / FINDINGS_FILE).unlink(missing_ok=True)  # an earlier report's, which is no more
    return ReportDone(str(request.output), round(time.monotonic() - context.started, 2))


def segment(request: SegmentRequest, on_event: EventCallback, should_cancel: ShouldCancel = never_cancel) -> None:
    """Read a volume and write its regions into the file ``request.output``; errors as in ``run``."""
    if not request.output.name.endswith(".seg.nrrd"):
        raise InputError(f"{request.output} does not end in .seg.nrrd, the format that regions are written in.")
    context = RunContext(on_event, should_cancel)
    with redirected_tempdir(), staged_output(request.output.parent) as folder:
        volume = _read(request, context)
        device = choose_device(request.device)
        _find_regions(request, device, volume, folder / request.output.name, context)


def _read(request: SegmentRequest, context: RunContext) -> sitk.Image:
    with context.stage(Stage.READ, "Reading the volume"):
        return read_volume(request.volume, request.series)


def _find_regions(
    request: SegmentRequest, device: str, volume: sitk.Image, file: Path, context: RunContext
) -> tuple[RegionMasks, str]:
    """The masks, and why they were made the way they were; also written into ``file``."""
    with context.stage(Stage.SEGMENT, "Finding the regions") as progress:
        segmenter, reason = choose_segmenter(
            request.segmenter,
            regions_file=request.regions_file,
            mapping=request.mapping,
            device=device,
            fast=request.fast,
            totalseg_weights=request.weights,
            regions=request.only,
        )
        masks = segmenter.segment(volume, progress)
        write_segmentation(masks, file)
    names = tuple(region.name for region in in_reading_order(masks.present))
    approximate = tuple(name for name in names if name in masks.approximate)
    context.tell(RegionsFound(masks.segmenter, reason, names, approximate, dict(masks.missing), str(file)))
    return masks, reason


def _prepare(
    config: ModelConfig, volume: sitk.Image, masks: RegionMasks, only: tuple[str, ...], context: RunContext
) -> ModelInputs:
    """Tensors of the regions that the prompts hold: those asked for, or all where a prompt holds them all."""
    with context.stage(Stage.PREPARE, "Preparing the regions for the model"):
        from reg2rg.preprocessing import prepare

        return prepare(volume, masks, config.preprocessing, (config.regions_per_prompt == 1 and only) or None)


def _place(request: ReportRequest, model_folder: ModelFolder, context: RunContext) -> Placement:
    """Where and how the model will run; what cannot be is refused before the regions take minutes."""
    config = model_folder.config
    parallel = _is_parallel(request, config)
    placement = model_cache.placed(model_folder, request.device, request.precision, request.max_new_tokens, parallel)
    if placement.notice:
        context.tell(Notice(placement.notice))
    if parallel and not config.parallel and config.regions_per_prompt > 1:
        context.tell(Notice(f"{config.name} was not trained to write its regions in parallel; expect little of it."))
    return placement


def _is_parallel(request: ReportRequest, config: ModelConfig) -> bool:
    return config.parallel if request.decoding == "auto" else request.decoding == "parallel"


def _decoding(request: ReportRequest, config: ModelConfig) -> str:
    """How the report was written, for its provenance."""
    if config.regions_per_prompt == 1:
        way = "a prompt for each region, written side by side"
    elif _is_parallel(request, config):
        way = "regions in parallel from one prompt"
    else:
        way = "one sequence for all regions of a prompt"
    return f"{way}; {'drawn by chance (top-k)' if request.sample else 'greedy'}"


def _load(model_folder: ModelFolder, placement: Placement, context: RunContext) -> ReportGenerator:
    """The model, ready to write."""
    with context.stage(Stage.LOAD, "Loading the model"):
        return model_cache.loaded(model_folder, placement.device, placement.precision)


def _look(
    request: ReportRequest,
    generator: ReportGenerator,
    inputs: ModelInputs,
    masks: RegionMasks,
    file: Path,
    context: RunContext,
) -> Seen:
    """What the finding head sees and where; outlines are written into ``file``, if there are any.

    Nearly all of its time goes into encoding the regions, which writing does not do again.
    """
    from reg2rg.inference.localization import locate_findings

    findings = generator.findings(inputs, context.should_cancel)
    wanted = {name: findings[name] for name in findings if not request.only or name in request.only}
    located = locate_findings(wanted, inputs.crops, masks, context.should_cancel)
    if write_findings(located, masks.bits, file):
        context.tell(FindingsLocated(str(file)))
    measured = generator.familiarity(inputs, context.should_cancel)
    familiarity = measured and Familiarity(round(measured.distance, 3), round(measured.limit, 3))
    if familiarity and not familiarity.familiar:
        context.tell(Notice(UNFAMILIAR))
    return Seen(located, familiarity, request.said)


def _write(
    request: ReportRequest,
    generator: ReportGenerator,
    inputs: ModelInputs,
    build: Callable[[GeneratedSection], Section],
    context: RunContext,
    progress: ProgressCallback,
) -> list[GeneratedSection]:
    from reg2rg.inference import Sampling

    only = [name for name in request.only if name in inputs.textures]
    events = SectionEvents(len(only or inputs.textures), build, context.tell, progress)
    written = generator.generate(
        inputs,
        only=only,
        parallel=_is_parallel(request, generator.model.config),
        sampling=Sampling(request.seed) if request.sample else None,
        max_new_tokens=request.max_new_tokens,
        said=request.said,
        cues=request.cues,
        on_text=events.on_text,
        should_cancel=context.should_cancel,
    )
    for section in written:
        events.finished(section)
    return written
