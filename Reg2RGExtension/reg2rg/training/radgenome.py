"""A folder in the layout in which RadGenome-ChestCT is published, as training cases (reference B.1).

Where the published loader went wrong (reference B.1, B.2, G), this one does not: several rows of one region are joined,
a region without a mask, or whose mask is empty, is left out together with its text, and what was left out is told.
"""

from __future__ import annotations

import csv
import hashlib
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.models.config import ModelConfig
from reg2rg.regions import REGION_NAMES
from reg2rg.segmentation.masks import RegionMasks
from reg2rg.training.config import FolderData
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
    """Volumes of a folder, by name.

    Attributes:
        texts: of the regions that have a mask.
        bits: of each volume's findings, where they have masks (format: see reg2rg.phantom.radgenome_writer).
    """

    data: FolderData
    texts: Texts
    bits: Mapping[str, Bits]
    training: tuple[str, ...]
    validation: tuple[str, ...]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, data: FolderData) -> RadGenomeSource:
        """Look through the folder; no volume is read. InputError if nothing there can be trained on."""
        texts, notes = read_texts(_reports(data))
        usable, left_out = _usable(data, texts)
        if not usable:
            raise InputError(f"{data.folder} holds no volume with a text and a mask: {'; '.join(notes + left_out)}")
        training, validation = split_by_patient(usable, data.validation_cases)
        return cls(data, usable, _read_bits(data), training[: data.cases], validation, (*notes, *left_out))

    @property
    def finding_masks(self) -> bool:
        return not self.bits.keys().isdisjoint(self.training)

    def fingerprint(self) -> str:
        """Of the texts and of where the folder is."""
        digest = hashlib.sha256(_reports(self.data).read_bytes())
        told = (self.data.folder.resolve(), self.data.split, self.data.spacing, sorted(self.bits.items()))
        digest.update(repr(told).encode())
        return digest.hexdigest()

    def make(self, name: str, config: ModelConfig) -> TrainingCase:
        volume = _read(_volume_file(self.data, name), self.data.spacing)
        arrays = {}
        for region in self.texts[name]:
            mask = _voxels(_mask_file(self.data, name, region), volume)
            arrays[region] = mask != 0  # whatever number stands for inside
        masks = RegionMasks.from_arrays(arrays, volume, segmenter="radgenome")
        findings = None
        if config.findings and name in self.bits:
            findings = sitk.GetImageFromArray(_voxels(_finding_file(self.data, name), volume).astype(np.uint32))
        return make_case(volume, masks, self.texts[name], config, findings, self.bits.get(name))


def read_texts(reports: Path) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Volume -> region -> text of a published CSV, and what in it is not as it should be.

    Rows of one volume and region are joined in their order, sentences that are repeated once. Rows without a region are
    whole reports, which nothing learns from.
    """
    texts: dict[str, dict[str, list[str]]] = {}
    joined, unknown = 0, Counter()
    for row in _rows(reports, ("Volumename", "Anatomy", "Sentence")):
        region, text = row["Anatomy"].strip(), " ".join(row["Sentence"].split())
        if region and region not in REGION_NAMES:
            unknown[region] += 1
        elif region and text:
            told = texts.setdefault(_volume_of(row), {})
            joined += region in told
            if text not in told.setdefault(region, []):
                told[region].append(text)
    notes = [f"{joined} rows joined with another of the same volume and region"] if joined else []
    notes += [f"{count} rows of {region!r}, which is no region: left out" for region, count in unknown.items()]
    return {volume: {r: " ".join(rows) for r, rows in told.items()} for volume, told in texts.items()}, notes


def split_by_patient(volumes: Iterable[str], validation_cases: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Volumes for training and at least so many for validation, which share no patient: ``train_12`` of
    ``train_12_a_1``. The same every time; InputError if nothing is left for training.
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
        raise InputError(f"All {len(validation)} volumes would be validation cases; expected some to train on.")
    return training, tuple(validation)


def _read_bits(data: FolderData) -> dict[str, dict[str, list[tuple[str, int]]]]:
    """Bits of the findings of each volume that has a finding mask."""
    file = data.folder / "radgenome_files" / f"{_CSV_NAMES[data.split]}_findings.csv"
    bits: dict[str, dict[str, list[tuple[str, int]]]] = {}
    masks = data.folder / f"{data.split}_finding_mask"
    for mask in sorted(masks.glob("*.nii.gz")):
        bits[mask.name.removesuffix(".nii.gz")] = {}
    for row in _rows(file, ("Volumename", "Bit", "Anatomy", "Label")) if bits else ():
        if not row["Bit"].isdecimal() or int(row["Bit"]) > 31:
            raise InputError(f"{file} has the bit {row['Bit']!r}; expected 0 to 31.")
        if _volume_of(row) in bits:
            bits[_volume_of(row)].setdefault(row["Anatomy"], []).append((row["Label"], int(row["Bit"])))
    return bits


def _rows(file: Path, columns: Sequence[str]) -> Iterator[dict[str, str]]:
    """Rows of a CSV; InputError if it cannot be read or lacks one of the columns."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            table = csv.DictReader(stream, restval="")
            if missing := [column for column in columns if column not in (table.fieldnames or ())]:
                raise InputError(f"{file} lacks the columns {', '.join(missing)}.")
            yield from table
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file} cannot be read as CSV ({error}).") from error


def _volume_of(row: Mapping[str, str]) -> str:
    return row["Volumename"].strip().removesuffix(".nii.gz")


def _usable(data: FolderData, texts: Texts) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Texts of the regions that have a mask, of the volumes that are there; and what was left out."""
    usable, without_volume, without_mask = {}, [], []
    for volume, told in texts.items():
        if not _volume_file(data, volume).is_file():
            without_volume.append(volume)
            continue
        masked = {region: text for region, text in told.items() if _mask_file(data, volume, region).is_file()}
        without_mask += [f"{region} of {volume}" for region in told if region not in masked]
        if masked:
            usable[volume] = masked
    notes = []
    if without_volume:
        notes.append(f"{len(without_volume)} volumes have texts but no file ({_some(without_volume)}): left out")
    if without_mask:
        notes.append(f"{len(without_mask)} regions have a text but no mask ({_some(without_mask)}): left out")
    return usable, notes


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _reports(data: FolderData) -> Path:
    return data.folder / "radgenome_files" / f"{_CSV_NAMES[data.split]}_region_report.csv"


def _volume_file(data: FolderData, volume: str) -> Path:
    """train_1_a_1 lies in train_1/train_1a/."""
    split, number, letter, *_ = [*volume.split("_"), "", "", ""]
    case = f"{split}_{number}"
    return data.folder / f"{data.split}_preprocessed" / case / f"{case}{letter}" / f"{volume}.nii.gz"


def _mask_file(data: FolderData, volume: str, region: str) -> Path:
    return data.folder / f"{data.split}_region_mask" / f"seg_{volume}" / f"{region}.nii.gz"


def _finding_file(data: FolderData, volume: str) -> Path:
    return data.folder / f"{data.split}_finding_mask" / f"{volume}.nii.gz"


def _read(file: Path, spacing: tuple[float, float, float] | None) -> sitk.Image:
    """A volume; its voxel axes are right, anterior, superior whatever the file says where spacing is given."""
    volume = read_volume(file)
    if spacing is not None:
        volume.SetSpacing(spacing)
        volume.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    return volume


def _voxels(file: Path, volume: sitk.Image) -> np.ndarray:
    """Voxels (z, y, x) of an image on the volume's grid."""
    image = read_volume_file(file)
    if image.GetSize() != volume.GetSize():
        raise InputError(f"{file} has {image.GetSize()} voxels, its volume {volume.GetSize()}.")
    return sitk.GetArrayFromImage(image)
