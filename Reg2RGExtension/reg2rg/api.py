"""Public Python API for scripts and notebooks. Import these functions from ``reg2rg``."""

from __future__ import annotations

import contextlib
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from reg2rg.measurements import Evidence
from reg2rg.pipeline.events import Event, EventCallback, Progress
from reg2rg.pipeline.request import MeasureRequest, ReportRequest, SegmentRequest
from reg2rg.report import Report, load_report
from reg2rg.runtime.callbacks import ProgressCallback, ShouldCancel, never_cancel
from reg2rg.runtime.resources import sample_case
from reg2rg.runtime.staging import scratch_folder
from reg2rg.segmentation import RegionMasks
from reg2rg.volumes import read_volume

__all__ = ["generate_report", "load_report", "measure", "region_features", "sample_case", "segment"]


def generate_report(
    ct: str | Path | sitk.Image,
    output: str | Path | None = None,
    *,
    progress: bool | ProgressCallback = True,
    should_cancel: ShouldCancel = never_cancel,
    **options: Any,
) -> Report:
    """Generate a draft report for a chest CT.

    The model stays in memory, so later calls are faster.

    Args:
        ct: a NIfTI, NRRD or MetaImage file, a DICOM folder, a ZIP archive of one, or a SimpleITK image in HU.
        output: folder to write the report to. If None, a temporary folder is used and deleted along with the report.
        progress: True shows progress bars, in notebooks as well. A function is called with the fraction done and a
            message.
        should_cancel: checked often; the call stops soon after it returns True.
        **options: other fields of ReportRequest, such as ``regions``, ``regions_file``, ``corrections`` or ``model``.

    Returns:
        The report.

    Raises:
        InputError: the volume, a file or an option is not valid.
        Reg2RGError: the machine cannot do what was requested.
        Cancelled: ``should_cancel`` returned True.

    Examples:
        >>> import reg2rg
        >>> ct, regions = reg2rg.sample_case()
        >>> report = reg2rg.generate_report(ct, regions_file=regions, regions=("lung", "heart"), progress=False)
        >>> [section.region for section in report.sections]
        ['lung', 'heart']
        >>> print(report.to_text().splitlines()[0])
        AI-generated draft, not reviewed. Not for clinical use.
    """
    from reg2rg.pipeline.run import run_report

    temporary = tempfile.TemporaryDirectory(prefix="reg2rg-report-") if output is None else None
    folder = Path(temporary.name if temporary is not None else str(output))
    with _as_file(ct) as volume, _listener(progress) as on_event:
        request = ReportRequest.from_dict({"volume": volume, "output": folder, **options})
        run_report(request, on_event, should_cancel)
    report = load_report(folder)
    if temporary is not None:
        weakref.finalize(report, temporary.cleanup)
    return report


def segment(
    ct: str | Path | sitk.Image,
    output: str | Path | None = None,
    *,
    progress: bool | ProgressCallback = True,
    should_cancel: ShouldCancel = never_cancel,
    **options: Any,
) -> RegionMasks:
    """Segment the regions of a chest CT.

    Args:
        ct: a NIfTI, NRRD or MetaImage file, a DICOM folder, a ZIP archive of one, or a SimpleITK image in HU.
        output: file (.seg.nrrd) to write the regions to. If None, no file is written.
        progress: True shows progress bars, in notebooks as well. A function is called with the fraction done and a
            message.
        should_cancel: checked often; the call stops soon after it returns True.
        **options: other fields of SegmentRequest, such as ``segmenter`` or ``regions_file``.

    Returns:
        The region masks, on the volume's grid.

    Raises:
        InputError: the volume, a file or an option is not valid.
        Reg2RGError: the machine cannot do what was requested.
        Cancelled: ``should_cancel`` returned True.

    Examples:
        >>> import reg2rg
        >>> ct, regions = reg2rg.sample_case()
        >>> masks = reg2rg.segment(ct, regions_file=regions, progress=False)
        >>> masks.array("heart").dtype
        dtype('bool')
    """
    from reg2rg.pipeline.run import run_segmentation

    with _as_file(ct) as volume, _listener(progress) as on_event, scratch_folder() as scratch:
        file = scratch / "regions.seg.nrrd" if output is None else Path(output)
        request = SegmentRequest.from_dict({"volume": volume, "output": file, **options})
        return run_segmentation(request, on_event, should_cancel)


def measure(
    ct: str | Path | sitk.Image,
    output: str | Path | None = None,
    *,
    progress: bool | ProgressCallback = True,
    should_cancel: ShouldCancel = never_cancel,
    **options: Any,
) -> Evidence:
    """Measure a chest CT: volumes, densities and diameters, with their conditions and published cut-offs.

    Args:
        ct: a NIfTI, NRRD or MetaImage file, a DICOM folder, a ZIP archive of one, or a SimpleITK image in HU.
        output: folder to write the measurements to. If None, no file is written.
        progress: True shows progress bars, in notebooks as well. A function is called with the fraction done and a
            message.
        should_cancel: checked often; the call stops soon after it returns True.
        **options: other fields of MeasureRequest, such as ``segmenter`` or ``regions_file``.

    Returns:
        The scan conditions and the measurements, those that could not be taken included.

    Raises:
        InputError: the volume, a file or an option is not valid.
        Reg2RGError: the machine cannot do what was requested.
        Cancelled: ``should_cancel`` returned True.

    Examples:
        >>> import reg2rg
        >>> ct, regions = reg2rg.sample_case()
        >>> evidence = reg2rg.measure(ct, regions_file=regions, progress=False)
        >>> [m.unit for m in evidence.of("lung") if m.measure == "lung_volume"]
        ['mL', 'mL']
    """
    from reg2rg.pipeline.run import run_measurement

    with _as_file(ct) as volume, _listener(progress) as on_event, scratch_folder() as scratch:
        folder = scratch / "measurements" if output is None else Path(output)
        request = MeasureRequest.from_dict({"volume": volume, "output": folder, **options})
        evidence, _ = run_measurement(request, on_event, should_cancel)
        return evidence


def region_features(
    ct: str | Path | sitk.Image,
    *,
    model: str | None = None,
    device: str = "cpu",
    progress: bool | ProgressCallback = True,
    **options: Any,
) -> dict[str, np.ndarray]:
    """Encode the regions of a chest CT as the tokens that the language model reads.

    Args:
        ct: a NIfTI, NRRD or MetaImage file, a DICOM folder, a ZIP archive of one, or a SimpleITK image in HU.
        model: name of an installed model, or path of a model folder. None selects the embedded model.
        device: torch device to run on.
        progress: True shows progress bars, in notebooks as well. A function is called with the fraction done and a
            message.
        **options: other fields of SegmentRequest, such as ``regions_file``.

    Returns:
        Region name -> float32 array of shape (tokens, width). The rows are texture latents, the geometry token and, if
        the model has them, cues.

    Raises:
        InputError: the volume, a file or an option is not valid.

    Examples:
        >>> import reg2rg
        >>> ct, regions = reg2rg.sample_case()
        >>> features = reg2rg.region_features(ct, regions_file=regions, progress=False)
        >>> sorted(features)[:3], features["lung"].ndim
        (['abdomen', 'bone', 'breast'], 2)
    """
    import torch

    from reg2rg.checkpoints import ModelFolder
    from reg2rg.hub import find_model
    from reg2rg.inference.encoding import FeatureEncoder
    from reg2rg.preprocessing import prepare, with_scalars

    with _as_file(ct) as file:
        masks = segment(file, progress=progress, device=device, **options)
        volume = read_volume(file, options.get("series"))
    loaded = ModelFolder.open(find_model(model)).load(device)
    inputs = prepare(volume, masks, loaded.config.preprocessing)
    inputs = with_scalars(inputs, volume, masks, loaded.config.scalars)
    with torch.inference_mode():
        _, tokens = FeatureEncoder(loaded.embedding_layer, loaded.config).encode(inputs, list(inputs.textures))
    return {name: each.float().cpu().numpy() for name, each in tokens.items()}


@contextlib.contextmanager
def _as_file(ct: str | Path | sitk.Image) -> Iterator[Path]:
    """Yield the path of a CT, after writing it to a temporary file if it is an image in memory."""
    if not isinstance(ct, sitk.Image):
        yield Path(ct)
        return
    with scratch_folder() as folder:
        path = folder / "ct.nrrd"
        sitk.WriteImage(ct, str(path))
        yield path


@contextlib.contextmanager
def _listener(progress: bool | ProgressCallback) -> Iterator[EventCallback]:
    """Yield the callback that shows a run's events."""
    if progress is True:
        from rich.console import Console

        from reg2rg.cli.progress import show_events

        with show_events(Console()) as on_event:
            yield on_event
    elif progress is False:
        yield lambda event: None
    else:

        def forward(event: Event) -> None:
            if isinstance(event, Progress):
                progress(event.overall, event.message)

        yield forward
