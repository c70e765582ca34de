"""Regions from TotalSegmentator, through its Python API, using the tasks named in the table of regions.

Wasserthal et al., "TotalSegmentator: Robust Segmentation of 104 Anatomic Structures in CT Images", Radiology:
Artificial Intelligence 2023; https://github.com/wasserth/TotalSegmentator.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import pickle
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from reg2rg.errors import InputError, Reg2RGError
from reg2rg.regions import REGIONS
from reg2rg.runtime.callbacks import ProgressCallback, ignore_progress
from reg2rg.runtime.staging import scratch_folder
from reg2rg.runtime.third_party import declare_torchvision_ops
from reg2rg.segmentation.masks import NOT_REQUESTED, RegionMasks
from reg2rg.segmentation.morphology import shell
from reg2rg.segmentation.structures import STRUCTURE_NAMES, Structures, structure_label
from reg2rg.volumes.geometry import array_spacing, direction_matrix, image_like

if TYPE_CHECKING:
    import nibabel

REQUIRED_TASK = "total"
"""TotalSegmentator's main task, without which most regions cannot be found."""

SLOW_TASKS = ("lung_vessels", "pleural_pericard_effusion", "heartchambers_highres")
"""Tasks skipped in fast mode: the first works at 0.7 mm, the others have no fast model."""

_MEASURED: dict[str, dict[str, tuple[str, ...]]] = {
    "total": {"mediastinum": ("aorta",), "heart": ("aorta",)},
    "heartchambers_highres": {"mediastinum": ("pulmonary_artery",)},
    "pleural_pericard_effusion": {"heart": ("pericardial_effusion",)},
}
"""Task -> region -> classes that belong to no region but are measured for it."""

ROUGH_MODEL = 298
"""ID of TotalSegmentator's 6 mm model, which finds the bounding box of a subset of structures."""

ROBUST_CROP_MODEL = 297
"""ID of TotalSegmentator's 3 mm model, which some tasks use to find where to crop."""

_HARMLESS_GLOBALS = {
    f"{module}.{name}"
    for module in ("numpy.core.multiarray", "numpy._core.multiarray")
    for name in ("scalar", "_reconstruct")
} | {"numpy.dtype", "numpy.ndarray", "numpy.dtypes.Float32DType", "numpy.dtypes.Float64DType"}
"""What nnU-Net stores besides tensors: numbers of numpy in the log of a training."""


class TotalSegmentatorSegmenter:
    """Segments with TotalSegmentator, which must be installed with its weights. Nothing is downloaded.

    A region is missing if the weights of none of its tasks are installed. The weights of the task "total" are required.

    Args:
        fast: use the 3 mm model of the main task, and skip slow tasks.
        device: torch's name for the device ("cpu", "cuda", "cuda:1", "mps").
        totalseg_weights: folder with nnU-Net's ``Dataset...`` folders; TotalSegmentator's default folder if None.
        regions: names of the regions to find; all if empty. Tasks and models that none of them needs are skipped. If
            the 6 mm model is installed, the main task is restricted to the bounding box of their structures.

    Raises:
        InputError: TotalSegmentator is not installed, or does not support the device.
    """

    name = "totalsegmentator"

    def __init__(
        self, fast: bool = False, device: str = "cpu", totalseg_weights: Path | None = None, regions: Sequence[str] = ()
    ) -> None:
        if importlib.util.find_spec("totalsegmentator") is None:
            raise InputError(
                "TotalSegmentator is not installed: pip install 'reg2rg[totalsegmentator]', or use the segmenter "
                "'thresholds'."
            )
        self._regions = [region for region in REGIONS if not regions or region.name in regions]
        self._fast = fast
        self._device = _device_name(device)
        self._weights = totalseg_weights

    def segment(self, volume: sitk.Image, progress: ProgressCallback = ignore_progress) -> RegionMasks:
        """Find the requested regions whose weights are installed.

        Args:
            volume: 3-D image in HU, with any orientation and spacing.
            progress: called with the fraction done and the current step.

        Raises:
            InputError: the weights of the main task are not installed, or a weights file contains code.
            Reg2RGError: TotalSegmentator fails.
        """
        absent = {task: _absent_weights(task, self._fast, self._weights) for task in self._tasks()}
        if absent.get(REQUIRED_TASK):
            raise InputError(
                f"TotalSegmentator's weights {', '.join(absent[REQUIRED_TASK])} are not in "
                f"{_weights_folder(self._weights)}; download them with `totalseg_download_weights`, provide their "
                "folder, or use the segmenter 'thresholds'."
            )
        _refuse_pickled_code(_weights_folder(self._weights))
        tasks = [task for task in self._tasks() if not absent[task]]
        found: dict[str, np.ndarray] = {}
        labels = np.zeros(volume.GetSize()[::-1], np.uint8)
        with _private_settings(self._weights):
            for number, task in enumerate(tasks):
                progress(number / len(tasks), f"TotalSegmentator: {task.replace('_', ' ')}")
                names = self._structures(task)
                structures = _run(task, volume, names, self._options(task))
                self._add_regions(found, task, structures)
                for name in STRUCTURE_NAMES:
                    if name in structures:
                        labels[structures[name]] = structure_label(name)
        spacing = array_spacing(volume)
        for region in self._regions:
            if region.shell_mm and region.name in found:
                fluid = found.get(_fluid_key(region.name), np.zeros_like(found[region.name]))
                found[region.name] = shell(found[region.name] | fluid, region.shell_mm, spacing) | fluid
        masks = {region.name: found[region.name] for region in self._regions if region.name in found}
        return RegionMasks.from_arrays(
            masks,
            volume,
            segmenter=self.name,
            missing=self._missing(tasks),
            structures=Structures(image_like(labels, volume), self.name, missing=_missing_structures(tasks)),
        )

    def _tasks(self) -> list[str]:
        """Return the tasks that the requested regions need, except those skipped in fast mode."""
        tasks = list(dict.fromkeys(task for region in self._regions for task in region.structures))
        measured = (task for task, names in _MEASURED.items() if any(region.name in names for region in self._regions))
        tasks = list(dict.fromkeys([*tasks, *measured]))
        return [task for task in tasks if not (self._fast and task in SLOW_TASKS)]

    def _structures(self, task: str) -> list[str]:
        """Return the classes of a task that the requested regions need, for themselves or for their measurements."""
        names = {name for region in self._regions for name in region.structures.get(task, ())}
        names |= {name for region in self._regions for name in _MEASURED.get(task, {}).get(region.name, ())}
        return sorted(names)

    def _options(self, task: str) -> dict[str, Any]:
        """Return the keyword arguments of a task for TotalSegmentator's Python API."""
        if task != REQUIRED_TASK:
            return {"device": self._device}
        subset = len(self._regions) < len(REGIONS) and not _absent_folders([ROUGH_MODEL], self._weights)
        return {
            "device": self._device,
            "fast": self._fast,
            "roi_subset": self._structures(task) if subset else None,
        }

    def _add_regions(self, found: dict[str, np.ndarray], task: str, structures: Mapping[str, np.ndarray]) -> None:
        """Add the structures of a task to the regions they belong to; fluid around a layer is kept separately."""
        for region in self._regions:
            for name in region.structures.get(task, ()):
                key = _fluid_key(region.name) if region.shell_mm and "effusion" in name else region.name
                found[key] = found[key] | structures[name] if key in found else structures[name]

    def _missing(self, tasks: Sequence[str]) -> dict[str, str]:
        """Return regions that were not requested, or none of whose tasks was run, with the reason."""
        missing = {}
        for region in REGIONS:
            if region not in self._regions:
                missing[region.name] = NOT_REQUESTED
            elif not set(region.structures) & set(tasks):
                task = next(iter(region.structures))
                missing[region.name] = f"the weights of TotalSegmentator's task {task!r} are not installed"
        return missing


def _missing_structures(tasks: Sequence[str]) -> dict[str, str]:
    """Return the structures whose task was not run, with the reason."""
    return {
        name: f"TotalSegmentator's task {task!r} was not run"
        for task, regions in _MEASURED.items()
        if task not in tasks
        for names in regions.values()
        for name in names
    }


def weights_available(totalseg_weights: Path | None = None, fast: bool = False) -> bool:
    """Return whether TotalSegmentator is installed with the weights of its main task.

    Args:
        totalseg_weights: folder with nnU-Net's ``Dataset...`` folders; TotalSegmentator's default folder if None.
        fast: look for the 3 mm model instead of the full one.
    """
    if importlib.util.find_spec("totalsegmentator") is None:
        return False
    return not _absent_weights(REQUIRED_TASK, fast, totalseg_weights)


def _fluid_key(region: str) -> str:
    return f"{region} fluid"


def _device_name(device: str) -> str:
    """Return TotalSegmentator's name for a device."""
    kind, _, number = device.partition(":")
    names = {"cpu": "cpu", "cuda": "gpu", "mps": "mps"}
    if kind not in names:
        raise InputError(f"Unknown device {device!r}; expected one of: cpu, mps, cuda, cuda:N.")
    return names[kind] + (f":{number}" if number else "")


def _absent_weights(task: str, fast: bool, totalseg_weights: Path | None) -> list[str]:
    """Return the weight folders that a task needs but that are not installed."""
    from totalsegmentator.map_tasks_config import TASK_CONFIGS

    config = TASK_CONFIGS[task]
    if "sub_modes" in config:
        config = config["sub_modes"]["fast" if fast else "default"]
    numbers = config["task_id"] if isinstance(config["task_id"], list) else [config["task_id"]]
    if config.get("crop"):
        numbers = [*numbers, ROBUST_CROP_MODEL if config.get("robust_crop") else ROUGH_MODEL]
    return _absent_folders(numbers, totalseg_weights)


def _absent_folders(models: Sequence[int], totalseg_weights: Path | None) -> list[str]:
    """Return the names of these models' weight folders that are not installed."""
    from totalsegmentator.map_tasks_config import TASK_ID_WEIGHTS_CONFIGS

    folder = _weights_folder(totalseg_weights)
    configs = [TASK_ID_WEIGHTS_CONFIGS[number] for number in models]
    needed = [Path(config.get("rel_path") or "") / config["foldername"] for config in configs]
    return [path.name for path in needed if not (folder / path).is_dir()]


def _refuse_pickled_code(folder: Path) -> None:
    """Check that no weights file would run code when nnU-Net unpickles it, which it does without restrictions."""
    import torch

    for file in sorted(folder.glob("**/fold_*/*.pth")):
        try:
            names = torch.serialization.get_unsafe_globals_in_checkpoint(str(file))
        except (OSError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
            raise InputError(f"{file} is not a readable weights file ({type(error).__name__}).") from error
        if unsafe := sorted(set(names) - _HARMLESS_GLOBALS):
            raise InputError(f"{file} contains code ({', '.join(unsafe)}), which is never run; expected weights only.")


def _weights_folder(totalseg_weights: Path | None) -> Path:
    if totalseg_weights is not None:
        return Path(totalseg_weights)
    declare_torchvision_ops()
    from totalsegmentator.config import get_weights_dir

    return get_weights_dir()


@contextlib.contextmanager
def _private_settings(totalseg_weights: Path | None) -> Iterator[None]:
    """Give TotalSegmentator temporary settings: usage statistics are off, and the user's settings stay untouched."""
    folder = _weights_folder(totalseg_weights)
    names = ("TOTALSEG_HOME_DIR", "TOTALSEG_WEIGHTS_PATH", "nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")
    before = {name: os.environ.get(name) for name in names}
    with scratch_folder() as home:
        settings = {"totalseg_id": "reg2rg", "send_usage_stats": False, "statistics_disclaimer_shown": True}
        (home / "config.json").write_text(json.dumps({**settings, "prediction_counter": 0}))
        os.environ["TOTALSEG_HOME_DIR"], os.environ["TOTALSEG_WEIGHTS_PATH"] = str(home), str(folder)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value


def _run(task: str, volume: sitk.Image, structures: Sequence[str], options: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Run a task and return structure -> boolean array in z, y, x order on the grid of the volume."""
    declare_torchvision_ops()
    from totalsegmentator.map_to_binary import class_map
    from totalsegmentator.python_api import totalsegmentator

    try:
        # TotalSegmentator and nnU-Net print progress bars, but our own callback reports the progress.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            output = totalsegmentator(
                _to_nibabel(volume),
                task=task,
                ml=True,
                quiet=True,
                nr_thr_resamp=1,
                nr_thr_saving=1,
                skip_saving=True,
                **options,
            )
    except Exception as error:  # nnU-Net raises many kinds of errors
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise Reg2RGError(f"TotalSegmentator failed on task {task!r}: {reason}.") from error
    labels = np.asarray(output.dataobj).T  # (z, y, x)
    return {name: labels == value for value, name in class_map[task].items() if name in structures}


def _to_nibabel(volume: sitk.Image) -> nibabel.Nifti1Image:
    """Convert to a nibabel image, with axes x, y, z and an affine in RAS."""
    import nibabel

    affine = np.eye(4)
    affine[:3, :3] = direction_matrix(volume) * volume.GetSpacing()
    affine[:3, 3] = volume.GetOrigin()
    affine[:2] *= -1  # LPS to RAS
    return nibabel.Nifti1Image(sitk.GetArrayFromImage(volume).T.astype(np.float32), affine)
