"""Training cases from a folder laid out like RadGenome-ChestCT.

The dataset: https://huggingface.co/datasets/RadGenome/RadGenome-ChestCT

Reg2RG's published loader keeps only the last of several rows for the same region, and crashes on a region that has a
text but no mask. Here, such rows are joined, and such regions are left out and reported in a note. A region with an
empty mask is left out together with its text, as in the published loader.
"""

from __future__ import annotations

import csv
import hashlib
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.models.config import ModelConfig
from reg2rg.regions import REGION_NAMES
from reg2rg.segmentation.masks import RegionMasks
from reg2rg.training.config import CTS, RadGenomeData
from reg2rg.training.samples import TrainingCase, make_case
from reg2rg.volumes import read_volume
from reg2rg.volumes.files import read_volume_file

_CSV_NAMES = {"train": "train", "valid": "validation"}

Texts = Mapping[str, Mapping[str, str]]
"""Volume -> region -> text."""

Bits = Mapping[str, Sequence[tuple[str, int]]]
"""Region -> (label, bit of the finding mask) of its findings."""


@dataclass(frozen=True)
class RadGenomeSource:
    """The volumes of a folder, by name.

    Attributes:
        data: the folder and how to read it.
        texts: volume -> region -> text, for regions that have a mask.
        bits: volume -> bits of its findings, for volumes that have a finding mask. The format is described in
            :mod:`reg2rg.phantom.dataset`.
        training: names of the training volumes.
        validation: names of the validation volumes, of other patients.
        notes: messages about what was left out, and why.
    """

    data: RadGenomeData
    texts: Texts
    bits: Mapping[str, Bits]
    training: tuple[str, ...]
    validation: tuple[str, ...]
    notes: tuple[str, ...]
    may_fail: ClassVar[bool] = True

    @classmethod
    def from_config(cls, data: RadGenomeData) -> RadGenomeSource:
        """List what a folder contains, without reading volumes.

        Args:
            data: the folder and how to read it.

        Returns:
            The source.

        Raises:
            InputError: the folder contains nothing to train on.
        """
        texts, notes = read_texts(_reports_file(data))
        usable, left_out = _keep_usable(data, texts)
        if not usable:
            reasons = "; ".join(notes + left_out)
            raise InputError(f"{data.folder} contains no volume with a text and a mask: {reasons}")
        training, validation = split_by_patient(usable, data.validation_cases)
        return cls(data, usable, _read_bits(data), training[: data.cases], validation, (*notes, *left_out))

    @property
    def finding_masks(self) -> bool:
        """Whether at least one training volume has a finding mask."""
        return not self.bits.keys().isdisjoint(self.training)

    def kind(self, name: str) -> str:
        """Return the kind of all these volumes."""
        return CTS

    def statements(self, name: str) -> Mapping[str, Mapping[str, bool | None]]:
        """Return nothing: all is in the texts."""
        return {}

    def fingerprint(self) -> str:
        """Hash the texts, the folder's location and the findings' bits."""
        digest = hashlib.sha256(_reports_file(self.data).read_bytes())
        settings = (self.data.folder.resolve(), self.data.split, self.data.spacing, sorted(self.bits.items()))
        digest.update(repr(settings).encode())
        return digest.hexdigest()

    def make(self, name: str, config: ModelConfig) -> TrainingCase:
        """Make a case; see :meth:`reg2rg.training.datasets.CaseSource.make`."""
        volume = _read_volume(_volume_file(self.data, name), self.data.spacing)
        inside = {}
        for region in self.texts[name]:
            # Any value other than 0 is inside: some masks use 255.
            inside[region] = _read_voxels(_mask_file(self.data, name, region), volume) != 0
        masks = RegionMasks.from_arrays(inside, volume, segmenter="radgenome")
        finding_bits = None
        if config.findings and name in self.bits:
            bits = _read_voxels(_finding_file(self.data, name), volume).astype(np.uint32)
            finding_bits = sitk.GetImageFromArray(bits)
        return make_case(volume, masks, self.texts[name], config, finding_bits, self.bits.get(name))


def read_texts(reports: Path) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Read the texts of a published CSV.

    Rows of the same volume and region are joined in order; repeated texts are kept once. Rows without a region contain
    whole reports, which are not used.

    Args:
        reports: the CSV, with columns Volumename, Anatomy and Sentence.

    Returns:
        Volume -> region -> text, and notes about irregular rows.

    Raises:
        InputError: the file cannot be read or lacks a column.
    """
    texts: dict[str, dict[str, list[str]]] = {}
    joined = 0
    unknown: Counter[str] = Counter()
    for row in _read_rows(reports, ("Volumename", "Anatomy", "Sentence")):
        region, text = row["Anatomy"].strip(), " ".join(row["Sentence"].split())
        if region and region not in REGION_NAMES:
            unknown[region] += 1
        elif region and text:
            by_region = texts.setdefault(_volume_name(row), {})
            joined += region in by_region
            if text not in by_region.setdefault(region, []):
                by_region[region].append(text)
    notes = []
    if joined:
        notes.append(f"{joined} rows joined with another row of the same volume and region")
    notes += [f"{count} rows of the unknown region {region!r} left out" for region, count in unknown.items()]
    return {
        volume: {region: " ".join(rows) for region, rows in by_region.items()} for volume, by_region in texts.items()
    }, notes


def split_by_patient(volumes: Iterable[str], validation_cases: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split volumes into training and validation so that no patient is in both.

    The patient of ``train_12_a_1`` is ``train_12``. The split is the same every time.

    Args:
        volumes: names of the volumes.
        validation_cases: minimum number of validation volumes.

    Returns:
        Names of the training volumes and of the validation volumes.

    Raises:
        InputError: no volume is left for training.
    """
    patients: dict[str, list[str]] = {}
    for volume in sorted(volumes):
        patients.setdefault("_".join(volume.split("_")[:2]), []).append(volume)
    order = sorted(patients)
    random.Random(0).shuffle(order)
    validation: list[str] = []
    while len(validation) < validation_cases and order:
        validation += patients[order.pop()]
    training = tuple(volume for patient in order for volume in patients[patient])
    if not training:
        raise InputError(
            f"validation_cases is {validation_cases}, which takes all {len(validation)} volumes; expected fewer, so "
            "that some are left for training."
        )
    return training, tuple(validation)


def _read_bits(data: RadGenomeData) -> dict[str, dict[str, list[tuple[str, int]]]]:
    """Read the findings' bits of each volume that has a finding mask."""
    file = data.folder / "radgenome_files" / f"{_CSV_NAMES[data.split]}_findings.csv"
    masks = sorted((data.folder / f"{data.split}_finding_mask").glob("*.nii.gz"))
    bits: dict[str, dict[str, list[tuple[str, int]]]] = {mask.name.removesuffix(".nii.gz"): {} for mask in masks}
    if not bits:
        return bits
    for row in _read_rows(file, ("Volumename", "Bit", "Anatomy", "Label")):
        if not row["Bit"].isdecimal() or int(row["Bit"]) > 31:
            raise InputError(f"{file} has the bit {row['Bit']!r}; expected 0 to 31.")
        volume = _volume_name(row)
        if volume in bits:
            bits[volume].setdefault(row["Anatomy"], []).append((row["Label"], int(row["Bit"])))
    return bits


def _read_rows(file: Path, columns: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV; raise InputError if it cannot be read, lacks a column or has ragged rows."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            table = csv.reader(stream)
            header = next(table, [])
            if missing := [column for column in columns if column not in header]:
                raise InputError(f"{file} lacks the columns {', '.join(missing)}.")
            for number, row in enumerate(table, start=2):
                if row and len(row) != len(header):
                    raise InputError(f"{file}: row {number} has {len(row)} cells, but the header has {len(header)}.")
                if row:
                    yield dict(zip(header, row, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file} cannot be read as CSV ({error}).") from error


def _volume_name(row: Mapping[str, str]) -> str:
    return row["Volumename"].strip().removesuffix(".nii.gz")


def _keep_usable(data: RadGenomeData, texts: Texts) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Return the texts that have a volume and a mask, and notes about the others."""
    usable: dict[str, dict[str, str]] = {}
    without_volume: list[str] = []
    without_mask: list[str] = []
    for volume, by_region in texts.items():
        if not _volume_file(data, volume).is_file():
            without_volume.append(volume)
            continue
        masked = {region: text for region, text in by_region.items() if _mask_file(data, volume, region).is_file()}
        without_mask += [f"{region} of {volume}" for region in by_region if region not in masked]
        if masked:
            usable[volume] = masked
    notes = []
    if without_volume:
        notes.append(f"{len(without_volume)} volumes with texts but without a file left out: {_some(without_volume)}")
    if without_mask:
        notes.append(f"{len(without_mask)} regions with a text but without a mask left out: {_some(without_mask)}")
    return usable, notes


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _reports_file(data: RadGenomeData) -> Path:
    return data.folder / "radgenome_files" / f"{_CSV_NAMES[data.split]}_region_report.csv"


def _volume_file(data: RadGenomeData, volume: str) -> Path:
    """Return the file of a volume; that of train_1_a_1 is in train_1/train_1a/."""
    split, number, letter, *_ = [*volume.split("_"), "", "", ""]
    patient = f"{split}_{number}"
    return data.folder / f"{data.split}_preprocessed" / patient / f"{patient}{letter}" / f"{volume}.nii.gz"


def _mask_file(data: RadGenomeData, volume: str, region: str) -> Path:
    return data.folder / f"{data.split}_region_mask" / f"seg_{volume}" / f"{region}.nii.gz"


def _finding_file(data: RadGenomeData, volume: str) -> Path:
    return data.folder / f"{data.split}_finding_mask" / f"{volume}.nii.gz"


def _read_volume(file: Path, spacing: tuple[float, float, float] | None) -> sitk.Image:
    """Read a volume. If a spacing is given, the file's geometry is ignored and the voxel axes are R, A, S."""
    volume = read_volume(file)
    if spacing is not None:
        volume.SetSpacing(spacing)
        volume.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    return volume


def _read_voxels(file: Path, volume: sitk.Image) -> np.ndarray:
    """Read the voxels (z, y, x) of an image on the volume's grid."""
    image = read_volume_file(file)
    if image.GetSize() != volume.GetSize():
        raise InputError(f"{file} has {image.GetSize()} voxels; expected {volume.GetSize()}, as its volume has.")
    return sitk.GetArrayFromImage(image)
