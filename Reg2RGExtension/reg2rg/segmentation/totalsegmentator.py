"""Regions by TotalSegmentator: its Python API, with the tasks that the table of regions names."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from reg2rg.errors import InputError, Reg2RGError
from reg2rg.regions import REGIONS
from reg2rg.runtime.callbacks import ProgressCallback, ignore_progress
from reg2rg.runtime.staging import scratch_folder
from reg2rg.segmentation.masks import RegionMasks
from reg2rg.segmentation.morphology import shell

REQUIRED_TASK = "total"
SLOW_TASKS = ("lung_vessels", "pleural_pericard_effusion")
"""Left out of the fast mode: the first works at 0.7 mm, the second has no fast model."""
ROUGH_MODEL = 298
"""TotalSegmentator's 6 mm model, which finds the box of a subset of structures."""


class TotalSegmentatorSegmenter:
    """Segments with TotalSegmentator; it must be installed and its weights be there, nothing is downloaded.

    Args:
        fast: the 3 mm model of the main task, and no slow tasks.
        device: torch's name of a device ("cpu", "cuda", "cuda:1", "mps").
        totalseg_weights: folder with nnU-Net's ``Dataset...`` folders; TotalSegmentator's own place if None.
        regions: names of regions to look for; all if empty. Tasks and part models that none of them needs are left out,
            and where the 6 mm model is there, only the box of their structures is looked at.

    A region whose task has no weights is missing; without those of the task "total" nothing can be done.
    """

    name = "totalsegmentator"

    def __init__(
        self, fast: bool = False, device: str = "cpu", totalseg_weights: Path | None = None, regions: Sequence[str] = ()
    ) -> None:
        self._regions = [region for region in REGIONS if not regions or region.name in regions]
        self._fast = fast
        self._device = _device_name(device)
        self._weights = totalseg_weights

    def segment(self, volume: sitk.Image, progress: ProgressCallback = ignore_progress) -> RegionMasks:
        """Masks of the wanted regions, as far as weights are there; Reg2RGError if TotalSegmentator fails."""
        absent = {task: _absent_weights(task, self._fast, self._weights) for task in self._tasks()}
        if absent.get(REQUIRED_TASK):
            raise InputError(
                f"TotalSegmentator's weights {', '.join(absent[REQUIRED_TASK])} are not in "
                f"{_weights_folder(self._weights)}; fetch them with `totalseg_download_weights`, give their folder, or "
                "use the segmenter 'thresholds'."
            )
        tasks = [task for task in self._tasks() if not absent[task]]
        found: dict[str, np.ndarray] = {}
        with _own_settings(self._weights):
            for number, task in enumerate(tasks):
                progress(number / len(tasks), f"TotalSegmentator: {task.replace('_', ' ')}")
                labels = _run(task, volume, self._structures(task), self._options(task))
                self._add_regions(found, task, labels)
        spacing = volume.GetSpacing()[::-1]
        for region in self._regions:
            if region.shell_mm and region.name in found:
                fluid = found.get(f"{region.name} fluid", np.zeros_like(found[region.name]))
                found[region.name] = shell(found[region.name] | fluid, region.shell_mm, spacing) | fluid
        masks = {region.name: found[region.name] for region in self._regions if region.name in found}
        return RegionMasks.from_arrays(masks, volume, segmenter=self.name, missing=self._reasons(tasks))

    def _tasks(self) -> list[str]:
        tasks = list(dict.fromkeys(task for region in self._regions for task in region.structures))
        return [task for task in tasks if not (self._fast and task in SLOW_TASKS)]

    def _structures(self, task: str) -> list[str]:
        return sorted({name for region in self._regions for name in region.structures.get(task, ())})

    def _options(self, task: str) -> dict[str, Any]:
        if task != REQUIRED_TASK:
            return {"device": self._device}
        subset = len(self._regions) < len(REGIONS) and not _absent_folders([ROUGH_MODEL], self._weights)
        return {
            "device": self._device,
            "fast": self._fast,
            "roi_subset": self._structures(task) if subset else None,
        }

    def _add_regions(self, found: dict[str, np.ndarray], task: str, structures: dict[str, np.ndarray]) -> None:
        for region in self._regions:
            for name in region.structures.get(task, ()):
                key = f"{region.name} fluid" if region.shell_mm and "effusion" in name else region.name
                found[key] = found[key] | structures[name] if key in found else structures[name]

    def _reasons(self, tasks: list[str]) -> dict[str, str]:
        """Why a region is missing: it is not wanted, or none of its tasks could be run."""
        return {
            region.name: f"TotalSegmentator's weights for its task {next(iter(region.structures))!r} are absent"
            if region in self._regions
            else "it was not asked for"
            for region in REGIONS
            if region not in self._regions or not set(region.structures) & set(tasks)
        }


def weights_available(totalseg_weights: Path | None = None, fast: bool = False) -> bool:
    """Whether TotalSegmentator is installed with the weights of its main task."""
    if importlib.util.find_spec("totalsegmentator") is None:
        return False
    return not _absent_weights(REQUIRED_TASK, fast, totalseg_weights)


def _device_name(device: str) -> str:
    kind, _, number = device.partition(":")
    names = {"cpu": "cpu", "cuda": "gpu", "mps": "mps"}
    if kind not in names:
        raise InputError(f"{device!r} is no device; expected cpu, cuda, cuda:N or mps.")
    return names[kind] + (f":{number}" if number else "")


def _absent_weights(task: str, fast: bool, totalseg_weights: Path | None) -> list[str]:
    """Weight folders that a task needs and that are not there."""
    from totalsegmentator.map_tasks_config import TASK_CONFIGS

    config = TASK_CONFIGS[task]
    if "sub_modes" in config:
        config = config["sub_modes"]["fast" if fast else "default"]
    ids = config["task_id"] if isinstance(config["task_id"], list) else [config["task_id"]]
    if config.get("crop"):
        ids = [*ids, 297 if config.get("robust_crop") else ROUGH_MODEL]  # the model that finds where to crop
    return _absent_folders(ids, totalseg_weights)


def _absent_folders(ids: Sequence[int], totalseg_weights: Path | None) -> list[str]:
    """Names of the weight folders of these models that are not there."""
    from totalsegmentator.map_tasks_config import TASK_ID_WEIGHTS_CONFIGS

    folder = _weights_folder(totalseg_weights)
    needed = [
        Path(TASK_ID_WEIGHTS_CONFIGS[i].get("rel_path") or "") / TASK_ID_WEIGHTS_CONFIGS[i]["foldername"] for i in ids
    ]
    return [path.name for path in needed if not (folder / path).is_dir()]


def _weights_folder(totalseg_weights: Path | None) -> Path:
    if totalseg_weights is not None:
        return Path(totalseg_weights)
    from reg2rg.runtime.third_party import declare_torchvision_ops

    declare_torchvision_ops()
    from totalsegmentator.config import get_weights_dir

    return get_weights_dir()


@contextlib.contextmanager
def _own_settings(totalseg_weights: Path | None) -> Iterator[None]:
    """TotalSegmentator with settings of ours: usage statistics off, the user's own configuration untouched."""
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


def _run(task: str, volume: sitk.Image, wanted: Sequence[str], options: dict[str, Any]) -> dict[str, np.ndarray]:
    """One task: wanted structure -> boolean array (z, y, x) on the volume's grid."""
    from reg2rg.runtime.third_party import declare_torchvision_ops

    declare_torchvision_ops()
    from totalsegmentator.map_to_binary import class_map
    from totalsegmentator.python_api import totalsegmentator

    try:
        # It prints, and so do the progress bars of nnU-Net; ours is the one that is shown.
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
    except Exception as error:  # whatever nnU-Net raises, in one line
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise Reg2RGError(f"TotalSegmentator failed in its task {task!r}: {reason}.") from error
    labels = np.asarray(output.dataobj).T  # (z, y, x)
    return {name: labels == value for value, name in class_map[task].items() if name in wanted}


def _to_nibabel(volume: sitk.Image):
    """The volume as nibabel has it: axes x, y, z and an affine in RAS."""
    import nibabel

    affine = np.eye(4)
    affine[:3, :3] = np.reshape(volume.GetDirection(), (3, 3)) * volume.GetSpacing()
    affine[:3, 3] = volume.GetOrigin()
    affine[:2] *= -1  # LPS to RAS
    return nibabel.Nifti1Image(sitk.GetArrayFromImage(volume).T.astype(np.float32), affine)
