"""The complete run, from a volume to a report folder. Only this file knows all of its steps."""

from __future__ import annotations

import datetime
import importlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.exports.measurements import MEASUREMENT_FILES, write_measurements
from reg2rg.exports.report_folder import staged_file, staged_report, write_report_folder
from reg2rg.exports.segmentation_nrrd import write_outlines, write_regions, write_structures
from reg2rg.hub import find_model
from reg2rg.labeler import ALL_LABELS, label_traits
from reg2rg.measurements import Evidence, RegionStatistics, measure, region_statistics, with_findings
from reg2rg.pipeline.events import (
    STAGE_SPANS,
    Event,
    EventCallback,
    FindingsLocated,
    Notice,
    Progress,
    RegionsFound,
    ReportDone,
    Stage,
)
from reg2rg.pipeline.model_cache import MODEL_CACHE, PlacementKey
from reg2rg.pipeline.progress import RunContext, SectionEvents
from reg2rg.pipeline.request import MeasureRequest, ReportRequest, SegmentRequest, VolumeRequest
from reg2rg.prior import ComparedScan, ComparedScans, acquisition_date, compare, described_scan
from reg2rg.regions import get_region, in_reading_order
from reg2rg.report import (
    FINDINGS_FILE,
    PRIOR_TRANSFORM_FILE,
    REGIONS_FILE,
    REPORT_FILE,
    REPORT_FILES,
    STRUCTURES_FILE,
    Geometry,
    OutOfDistribution,
    Provenance,
    Report,
    ReportBuilder,
    load_report,
)
from reg2rg.report.withholding import DraftRule
from reg2rg.runtime.callbacks import ProgressCallback, ShouldCancel, never_cancel
from reg2rg.runtime.devices import choose_device
from reg2rg.runtime.staging import redirected_tempdir, scratch_folder
from reg2rg.runtime.threads import two_threads
from reg2rg.runtime.versions import versions
from reg2rg.segmentation import NOT_REQUESTED, RegionMasks, choose_segmenter
from reg2rg.segmentation.structures_from_regions import find_structures
from reg2rg.volumes import read_volume_and_series
from reg2rg.volumes.dicom import SELECT_SERIES
from reg2rg.volumes.geometry import oriented
from reg2rg.volumes.voxel_hash import voxel_sha256

if TYPE_CHECKING:  # torch and transformers are imported only after a volume has been read
    from reg2rg.inference import GeneratedSection, ReportGenerator
    from reg2rg.inference.placement import Placement
    from reg2rg.models.config import ModelConfig
    from reg2rg.preprocessing import ModelInputs


def run_report(
    request: ReportRequest, on_event: EventCallback, should_cancel: ShouldCancel = never_cancel
) -> ReportDone:
    """Read a volume, find its regions, and write its report.

    The output folder is unchanged until the whole report is finished.

    Args:
        request: the options of the run.
        on_event: receives the events of the run.
        should_cancel: checked often; the run stops soon after it returns True.

    Raises:
        Cancelled: ``should_cancel`` returned True.
        Exception: any other error, which ``reg2rg.pipeline.failures`` turns into one line.
    """
    context = RunContext(on_event, should_cancel)
    if request.prior is not None and not request.prior.exists():
        raise InputError(f"{request.prior} does not exist; expected a prior CT or its report folder.")
    if request.prior is not None and request.prior.resolve() == request.output.resolve():
        raise InputError(f"{request.output} is the prior and would be overwritten; choose another output folder.")
    model_folder = find_model(request.model)
    with redirected_tempdir(), staged_report(request.output, REPORT_FILES) as folder:
        with two_threads() as pool:
            if request.volume.exists():  # if not, the error comes at once
                pool.submit(importlib.import_module, "torch")  # whose errors come when it is needed
            scan = _read(request, context)
        prior = _read_prior(request, scan.volume, context)
        key, placement = _place(request, model_folder, context)
        prepared = _segment_and_crop(request, key.folder.config, scan, folder, context)
        _write(request, prepared, prior, key, placement, folder, context)
    return ReportDone(str(request.output), round(context.seconds, 2))


@dataclass(frozen=True)
class PreparedReport:
    """What a report needs besides the model, so that another process may prepare it.

    Attributes:
        volume: the CT in HU.
        masks: the region masks.
        reason: why this segmenter was used.
        evidence: what was measured.
        inputs: the tensors of the model.
        stage_seconds: stage -> run time in seconds.
        acquired: the date of the CT, for the interval to a prior one; None if unknown.
    """

    volume: sitk.Image
    masks: RegionMasks
    reason: str
    evidence: Evidence
    inputs: ModelInputs
    stage_seconds: Mapping[str, float]
    acquired: datetime.date | None = None


def prepare_report(
    request: ReportRequest, folder: Path, on_event: EventCallback, should_cancel: ShouldCancel = never_cancel
) -> PreparedReport:
    """Do the part of ``run_report`` that needs no weights: read a volume, segment it, measure it, and crop it.

    Args:
        request: the options of the run.
        folder: an existing folder to write the segmentations to.
        on_event: receives the events of the run.
        should_cancel: checked often; the run stops soon after it returns True.
    """
    from reg2rg.checkpoints import ModelFolder

    context = RunContext(on_event, should_cancel)
    config = ModelFolder.open(find_model(request.model)).config
    with redirected_tempdir():
        return _segment_and_crop(request, config, _read(request, context), folder, context)


def write_report(
    request: ReportRequest,
    prepared: PreparedReport,
    segmentations: Path,
    on_event: EventCallback,
    should_cancel: ShouldCancel = never_cancel,
) -> ReportDone:
    """Do the rest of ``run_report``: examine the prepared regions, write their text, and save the report.

    Args:
        request: the options of the run.
        prepared: the result of ``prepare_report``.
        segmentations: the folder that was given to ``prepare_report``. Its files are moved into the report folder.
        on_event: receives the events of the run.
        should_cancel: checked often; the run stops soon after it returns True.
    """
    context = RunContext(on_event, should_cancel)
    context.stage_seconds.update(prepared.stage_seconds)
    with redirected_tempdir(), staged_report(request.output, REPORT_FILES) as folder:
        for name in (REGIONS_FILE, STRUCTURES_FILE):
            shutil.move(segmentations / name, folder / name)
        prior = _read_prior(request, prepared.volume, context)
        key, placement = _place(request, find_model(request.model), context)
        _write(request, prepared, prior, key, placement, folder, context)
    return ReportDone(str(request.output), round(sum(prepared.stage_seconds.values()) + context.seconds, 2))


def run_segmentation(
    request: SegmentRequest, on_event: EventCallback, should_cancel: ShouldCancel = never_cancel
) -> RegionMasks:
    """Read a volume and write its regions to a file.

    Args:
        request: the options of the run.
        on_event: receives the events of the run.
        should_cancel: checked often; the run stops soon after it returns True.

    Raises:
        Cancelled: ``should_cancel`` returned True.
        Exception: any other error, which ``reg2rg.pipeline.failures`` turns into one line.
    """
    context = RunContext(on_event, should_cancel)
    with redirected_tempdir(), staged_file(request.output) as folder:
        volume = _read(request, context).volume
        masks, _ = _find_regions(request, request.regions, volume, folder / REGIONS_FILE, context, request.regions)
        (folder / REGIONS_FILE).rename(folder / request.output.name)  # a name that SimpleITK may not be able to write
    return masks.only(request.regions)


def run_measurement(
    request: MeasureRequest, on_event: EventCallback, should_cancel: ShouldCancel = never_cancel
) -> tuple[Evidence, dict[str, RegionStatistics]]:
    """Read a volume, find its regions and structures, and measure them.

    Args:
        request: the options of the run.
        on_event: receives the events of the run.
        should_cancel: checked often; the run stops soon after it returns True.

    Returns:
        What was measured, and region -> its volume and mean density.

    Raises:
        Cancelled: ``should_cancel`` returned True.
        Exception: any other error, which ``reg2rg.pipeline.failures`` turns into one line.
    """
    context = RunContext(on_event, should_cancel)
    with redirected_tempdir(), staged_report(request.output, MEASUREMENT_FILES) as folder:
        volume = _read(request, context).volume
        masks, _ = _find_regions(request, request.regions, volume, folder / REGIONS_FILE, context, request.regions)
        # In all regions: the technique is judged in several, whichever were requested.
        evidence = _measure(volume, masks, folder / STRUCTURES_FILE, context).within(request.regions)
        with context.stage(Stage.SAVE, "Saving the measurements"):
            write_measurements(evidence, volume, folder)
    present = masks.only(request.regions).present
    return evidence, {region: region_statistics(volume, masks, region) for region in present}


@dataclass(frozen=True)
class _Scan:
    """A CT as it was read: the image in HU, and the date on which it was acquired, if that is known."""

    volume: sitk.Image
    acquired: datetime.date | None


def _read(request: VolumeRequest, context: RunContext) -> _Scan:
    with context.stage(Stage.READ, "Reading the volume"):
        volume, series = read_volume_and_series(
            request.volume, request.series, lambda message: context.emit(Notice(message))
        )
        return _Scan(volume, acquisition_date(series))


def _read_prior(request: ReportRequest, volume: sitk.Image, context: RunContext) -> Report | _Scan | None:
    """Read the prior CT or its report before anything takes long; None if the request has no prior.

    Raises:
        InputError: the prior cannot be read, or it is the CT itself.
    """
    path = request.prior
    if path is None:
        return None
    context.emit(Progress(Stage.READ, 1.0, "Reading the prior CT"))
    prior: Report | _Scan
    if (path / REPORT_FILE).is_file():
        try:
            prior = load_report(path)
        except InputError as error:
            raise InputError(f"The prior report {path} cannot be used. {error}") from error
        grid, digest = prior.masks.bits, prior.provenance.volume_sha256  # read now, so that an error comes now
    else:

        def on_notice(message: str) -> None:  # --series is about the current CT
            advice = message.replace(
                SELECT_SERIES, "to compare with another, give a folder that contains only that one"
            )
            context.emit(Notice(f"Prior CT: {advice}"))

        grid, series = read_volume_and_series(path, None, on_notice)
        prior, digest = _Scan(grid, acquisition_date(series)), voxel_sha256(grid)
    if digest == voxel_sha256(volume) and _geometry(grid).matches(_geometry(volume)):
        raise InputError(f"{path} is the CT itself, or its report; expected an earlier CT of the patient.")
    return prior


def _geometry(image: sitk.Image) -> Geometry:
    """Return the grid of an image in an order of axes that does not depend on its file."""
    return Geometry.from_image(oriented(image, "LPS"))


def _place(request: ReportRequest, model_folder: Path, context: RunContext) -> tuple[PlacementKey, Placement]:
    """Decide where and how the model will run, before a segmentation that may take minutes."""
    from reg2rg.checkpoints import ModelFolder
    from reg2rg.inference.memory import Workload

    folder = ModelFolder.open(model_folder)
    config = folder.config
    parallel = _is_parallel(request, config)
    # For all ten regions, so that one region can be generated again without another placement.
    workload = Workload(max_new_tokens=request.max_new_tokens, parallel=parallel)
    key = PlacementKey(folder, request.device, request.precision, workload, request.backend)
    placement = MODEL_CACHE.place(key)
    if placement.notice:
        context.emit(Notice(placement.notice))
    if parallel and not config.parallel and config.regions_per_prompt > 1:
        context.emit(Notice(f"{config.name} was not trained for parallel decoding; its text may be poor."))
    return key, placement


def _find_regions(
    request: VolumeRequest,
    regions: Sequence[str],
    volume: sitk.Image,
    file: Path,
    context: RunContext,
    shown: Sequence[str] = (),
) -> tuple[RegionMasks, str]:
    """Segment the regions, and return the masks with the reason for the choice of segmenter.

    The masks of the regions in ``shown``, or all if it is empty, are written to ``file``.
    """
    with context.stage(Stage.SEGMENT, "Finding the regions") as progress:
        segmenter, reason = choose_segmenter(
            request.segmenter,
            regions_file=request.regions_file,
            mapping=request.mapping,
            device=choose_device(request.device),
            fast=request.fast,
            totalseg_weights=request.totalseg_weights,
            regions=regions,
        )
        masks = segmenter.segment(volume, progress)
        written = masks.only(shown)
        write_regions(written, file)
    for notice in masks.notices:
        context.emit(Notice(notice))
    names = tuple(region.name for region in in_reading_order(written.present))
    approximate = tuple(name for name in names if name in masks.approximate)
    context.emit(RegionsFound(masks.segmenter, reason, names, approximate, dict(written.missing), str(file)))
    return masks, reason


def _measure(volume: sitk.Image, masks: RegionMasks, file: Path, context: RunContext) -> Evidence:
    """Measure the volume, and write the structures that the measurements were taken from to ``file``."""
    with context.stage(Stage.MEASURE, "Measuring"):
        turned, turned_masks = oriented(volume, "LPS"), masks.oriented("LPS")  # once for all that needs these axes
        structures = find_structures(turned, turned_masks)
        with two_threads() as pool:
            writing = pool.submit(write_structures, structures.on_grid_of(volume), file)
            evidence = measure(turned, structures, turned_masks)
            writing.result()
        return evidence


def _segment_and_crop(
    request: ReportRequest, config: ModelConfig, scan: _Scan, folder: Path, context: RunContext
) -> PreparedReport:
    """Segment, measure and crop a volume, and write the segmentations to ``folder``."""
    volume = scan.volume
    # The out-of-distribution check is about the whole volume, so it needs all regions.
    needed = request.regions if config.findings is None else ()
    masks, reason = _find_regions(request, needed, volume, folder / REGIONS_FILE, context)
    evidence = _measure(volume, masks, folder / STRUCTURES_FILE, context)
    inputs = _prepare(config, volume, masks, evidence, needed, context)
    _check_requested(request, inputs)
    return PreparedReport(volume, masks, reason, evidence, inputs, dict(context.stage_seconds), scan.acquired)


def _write(
    request: ReportRequest,
    prepared: PreparedReport,
    prior_source: Report | _Scan | None,
    key: PlacementKey,
    placement: Placement,
    folder: Path,
    context: RunContext,
) -> None:
    """Write the report of a prepared volume to ``folder``."""
    config = key.folder.config
    with context.stage(Stage.LOAD, "Loading the model"):
        generator = MODEL_CACHE.load(key)
    with context.stage(Stage.WRITE, "Examining the regions") as progress:
        builder = _examine(request, generator, prepared, folder / FINDINGS_FILE, context)
        if builder.warning:  # not in _examine: no draft is written of a prior CT
            context.emit(Notice(builder.warning))
        progress(0.0, "Writing the sections")
        sections = _generate(request, generator, prepared.inputs, builder, context, progress)
    prior = transform = None
    if prior_source is not None:
        with context.stage(Stage.COMPARE, "Comparing with the prior CT") as progress:
            described = [section.region for section in sections]
            compared = _compare(request, prior_source, generator, prepared, builder, described, context, progress)
        prior, transform = compared.comparison, compared.transform
        for warning in prior.warnings:
            context.emit(Notice(warning))
    with context.stage(Stage.SAVE, "Saving the report"):
        provenance = Provenance(
            model=config.name,
            model_sha256=key.folder.weights_sha256,
            decoding=_describe_decoding(request, config),
            device=placement.device,
            precision=placement.precision,
            seed=request.seed,
            max_new_tokens=request.max_new_tokens,
            segmenter=prepared.masks.segmenter,
            segmenter_reason=prepared.reason,
            versions=versions(),
            created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            stage_seconds=context.stage_seconds,
            geometry=Geometry.from_image(prepared.volume),
            trained_for=config.trained_for,
            volume_sha256=voxel_sha256(prepared.volume),
        )
        report = builder.report(sections, provenance, _skipped_regions(request, prepared.inputs), prior)
        if transform is not None:
            sitk.WriteTransform(transform, str(folder / PRIOR_TRANSFORM_FILE))
        write_report_folder(report, prepared.volume, prepared.masks, folder)


def _prepare(
    config: ModelConfig,
    volume: sitk.Image,
    masks: RegionMasks,
    evidence: Evidence,
    regions: tuple[str, ...],
    context: RunContext,
) -> ModelInputs:
    """Return the tensors of the regions that the prompts contain: the requested ones, or all if they share a prompt."""
    with context.stage(Stage.PREPARE, "Preparing the regions for the model"):
        from reg2rg.preprocessing import prepare, with_scalars

        needed = regions if regions and config.regions_per_prompt == 1 else None
        inputs = prepare(volume, masks, config.preprocessing, needed)
        return with_scalars(inputs, volume, masks, config.scalars, evidence)


def _check_requested(request: ReportRequest, inputs: ModelInputs) -> None:
    """Raise InputError if regions were requested, but none of them can be described."""
    if request.regions and not any(name in inputs.textures for name in request.regions):
        reasons = "; ".join(f"{get_region(name).display_name}: {inputs.skipped[name]}" for name in request.regions)
        raise InputError(f"None of the requested regions can be described ({reasons}).")


def _examine(
    request: ReportRequest,
    generator: ReportGenerator,
    prepared: PreparedReport,
    file: Path,
    context: RunContext,
) -> ReportBuilder:
    """Detect and locate findings, and write their outlines to ``file`` if there are any."""
    from reg2rg.inference import locate_findings

    volume, masks, evidence, inputs = prepared.volume, prepared.masks, prepared.evidence, prepared.inputs
    detected = generator.detect(inputs, context.should_cancel)
    requested = {name: region for name, region in detected.items() if not request.regions or name in request.regions}
    located = locate_findings(requested, inputs.crops, masks, context.should_cancel)
    out_of_distribution = generator.out_of_distribution(inputs, context.should_cancel)
    if out_of_distribution is not None:
        distance, limit = round(out_of_distribution.distance, 3), round(out_of_distribution.limit, 3)
        out_of_distribution = OutOfDistribution(distance, limit, out_of_distribution.kind)
    in_draft = out_of_distribution is None or not out_of_distribution.detected
    supported = generator.supported(out_of_distribution)
    outlines = located.outlines
    if in_draft:
        if supported is not None:
            rule = DraftRule(supported, located.findings, request.corrections)
            outlines = tuple(outline for outline in outlines if rule.may_state(outline.region, outline.label))
        sized = [label for label in ALL_LABELS if label_traits(label).sized]
        evidence = with_findings(evidence, volume, outlines, sized)
    if outlines:
        write_outlines(outlines, masks.bits, file, in_draft=in_draft)
        context.emit(FindingsLocated(str(file)))
    return ReportBuilder(
        volume,
        masks,
        detected=located.findings,
        evidence=evidence,
        out_of_distribution=out_of_distribution,
        supported=supported,
        corrections=request.corrections,
    )


def _generate(
    request: ReportRequest,
    generator: ReportGenerator,
    inputs: ModelInputs,
    builder: ReportBuilder,
    context: RunContext,
    progress: ProgressCallback,
) -> list[GeneratedSection]:
    from reg2rg.inference import SamplingConfig

    regions = [name for name in request.regions if name in inputs.textures]
    events = SectionEvents(
        len(regions or inputs.textures),
        builder.section,
        context.emit,
        progress,
        show_growing=not builder.model_text_hidden and builder.supported is None,
    )
    sections = generator.generate(
        inputs,
        regions=regions,
        parallel=_is_parallel(request, generator.model.config),
        sampling=SamplingConfig(request.seed) if request.do_sample else None,
        max_new_tokens=request.max_new_tokens,
        corrections=request.corrections,
        use_cues=request.use_cues,
        supported=builder.supported,
        on_section=events.on_section,
        should_cancel=context.should_cancel,
    )
    for section in sections:
        events.finish(section)
    return sections


def _compare(
    request: ReportRequest,
    source: Report | _Scan,
    generator: ReportGenerator,
    prepared: PreparedReport,
    builder: ReportBuilder,
    described: Sequence[str],
    context: RunContext,
    progress: ProgressCallback,
) -> ComparedScans:
    """Compare a CT with a prior one, or with the report of one, in the regions that the draft describes."""
    current = ComparedScan(prepared.masks, prepared.volume, builder.stated, builder.evidence)
    days = request.interval_days
    if isinstance(source, _Scan):
        prior = _draft_prior(request, source, generator, context, progress)
        if days is None and source.acquired is not None and prepared.acquired is not None:
            days = (prepared.acquired - source.acquired).days
    else:
        prior = described_scan(source)
    return compare(
        current,
        prior,
        days,
        described,
        lambda fraction, message: progress(0.5 + fraction / 2, message),
        context.should_cancel,
    )


def _draft_prior(
    request: ReportRequest, scan: _Scan, generator: ReportGenerator, context: RunContext, progress: ProgressCallback
) -> ComparedScan:
    """Do everything with a prior CT that is done for a draft, except for writing its text."""

    def on_event(event: Event) -> None:
        if isinstance(event, Progress):
            progress(min(event.overall / STAGE_SPANS[Stage.WRITE][0], 1.0) / 2, f"Prior CT: {event.message}")
        elif isinstance(event, Notice):
            context.emit(Notice(f"Prior CT: {event.message}"))

    prior_request = replace(
        request, series=None, regions_file=None, mapping={}, regions=(), corrections={}, prior=None, interval_days=None
    )
    prior_context = RunContext(on_event, context.should_cancel)
    with scratch_folder() as folder:
        prepared = _segment_and_crop(prior_request, generator.model.config, scan, folder, prior_context)
        builder = _examine(prior_request, generator, prepared, folder / FINDINGS_FILE, prior_context)
    return ComparedScan(prepared.masks, prepared.volume, builder.stated, builder.evidence)


def _skipped_regions(request: ReportRequest, inputs: ModelInputs) -> Mapping[str, str]:
    """Return the regions that have no section, and why."""
    if not request.regions:
        return inputs.skipped
    not_requested = {name: NOT_REQUESTED for name in inputs.textures if name not in request.regions}
    return {**inputs.skipped, **not_requested}


def _is_parallel(request: ReportRequest, config: ModelConfig) -> bool:
    return config.parallel if request.decoding == "auto" else request.decoding == "parallel"


def _describe_decoding(request: ReportRequest, config: ModelConfig) -> str:
    """Return how the text was generated, for the provenance."""
    if config.regions_per_prompt == 1:
        order = "one prompt per region"
    elif _is_parallel(request, config):
        order = "one text per region, in parallel from one prompt"
    else:
        order = "one text for all regions of a prompt"
    choice = "random sampling (top-k)" if request.do_sample else "greedy"
    return f"{order}; {choice}" if request.backend == "packed" else f"{order}; {choice}; {request.backend}"
