"""Recovery of a review after a crash. Until the scene is closed, every change is also stored in a file.

The files contain the review, its segmentations and its registration, but no voxels and no patient tags. They are
stored next to Slicer's settings and deleted when the scene or Slicer is closed. Files that remain were left by a crash
of Slicer. They are offered for recovery when their volume is selected.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import NamedTuple

import slicer
import vtk

from Reg2RGModuleLib import processes, reportNode, segmentationFile, transformFile
from Reg2RGModuleLib.review import Review


class StoredReview(NamedTuple):
    """What Slicer left behind when it crashed.

    Attributes:
        review: the review as JSON.
        regions: segmentation file of the regions.
        findings: segmentation file of the findings, or None if the report has none.
        structures: segmentation file of the structures that were measured, or None if the report has none.
        registration: transform file of the prior CT, or None if the report was not compared with one.
    """

    review: str
    regions: Path
    findings: Path | None
    structures: Path | None
    registration: Path | None


class Recovery:
    """The recovery files of this Slicer process and of processes that crashed."""

    def __init__(self) -> None:
        self.folder = Path(slicer.app.userSettings().fileName()).parent / "Reg2RG recovery"

    def store(self, node: slicer.vtkMRMLTextNode, review: Review) -> None:
        """Store a review. Its segmentations and its registration are written only the first time.

        Raises:
            OSError, RuntimeError: a file could not be written.
        """
        key = _keyOf(node)
        volume, segmentation = reportNode.volumeOf(node), reportNode.segmentationOf(node)
        if volume is None or segmentation is None:
            return
        if not self._fingerprint(key).exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            segmentationFile.save(segmentation, self._regions(key), segmentation.GetParentTransformNode())
            for other, file in (
                (reportNode.findingsOf(node), self._findings(key)),
                (reportNode.structuresOf(node), self._structures(key)),
            ):
                if other is not None and other.GetSegmentation().GetNumberOfSegments():
                    segmentationFile.save(other, file, other.GetParentTransformNode())
            registration = reportNode.registrationOf(node)
            if registration is not None:
                transformFile.save(registration, self._registration(key))
            _writeAtomically(self._fingerprint(key), fingerprint(volume).encode())
        _writeAtomically(self._review(key), review.toJson().encode("utf-8"))

    def discardOf(self, node: slicer.vtkMRMLTextNode) -> None:
        """Delete the files of a report whose segmentations have changed. The next ``store`` writes them again."""
        self.discard(_keyOf(node))

    def forget(self) -> None:
        """Delete all files of this process, because its scene has been closed."""
        for file in self.folder.glob(f"{os.getpid()}-*"):
            file.unlink()

    def find(self, volume: slicer.vtkMRMLScalarVolumeNode | None) -> str | None:
        """Return the key of the latest review of a volume that a crash left behind, or None."""
        left = [file for file in self.folder.glob("*.review.json") if not processes.isAlive(_processIdOf(file))]
        if not left or volume is None or volume.GetImageData() is None:
            return None
        wanted = fingerprint(volume)
        keys = [file.name.removesuffix(".review.json") for file in sorted(left, key=lambda file: file.stat().st_mtime)]
        matching = [key for key in keys if self._isComplete(key) and self._fingerprint(key).read_text() == wanted]
        return matching[-1] if matching else None

    def read(self, key: str) -> StoredReview:
        """Return a stored review and its files."""
        review = self._review(key).read_text(encoding="utf-8")
        optional = (self._findings(key), self._structures(key), self._registration(key))
        return StoredReview(review, self._regions(key), *(file if file.exists() else None for file in optional))

    def discard(self, key: str) -> None:
        """Delete the files of one review."""
        others = (self._regions(key), self._findings(key), self._structures(key), self._registration(key))
        for file in (self._review(key), *others, self._fingerprint(key)):
            file.unlink(missing_ok=True)

    def _isComplete(self, key: str) -> bool:
        return self._regions(key).exists() and self._fingerprint(key).exists()

    def _review(self, key: str) -> Path:
        return self.folder / f"{key}.review.json"

    def _regions(self, key: str) -> Path:
        return self.folder / f"{key}.seg.nrrd"

    def _findings(self, key: str) -> Path:
        return self.folder / f"{key}.findings.seg.nrrd"

    def _structures(self, key: str) -> Path:
        return self.folder / f"{key}.structures.seg.nrrd"

    def _registration(self, key: str) -> Path:
        return self.folder / f"{key}.registration.tfm"

    def _fingerprint(self, key: str) -> Path:
        return self.folder / f"{key}.volume.txt"


def fingerprint(volume: slicer.vtkMRMLScalarVolumeNode) -> str:
    """Return a hash of a volume's geometry and voxels, which identifies the volume."""
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    grid = [round(matrix.GetElement(row, column), 3) for row in range(3) for column in range(4)]
    digest = hashlib.sha256(json.dumps([*volume.GetImageData().GetDimensions(), *grid]).encode())
    digest.update(memoryview(slicer.util.arrayFromVolume(volume)).cast("B"))
    return digest.hexdigest()


def _keyOf(node: slicer.vtkMRMLTextNode) -> str:
    return f"{os.getpid()}-{node.GetID()}"


def _processIdOf(file: Path) -> int:
    """Return the ID of the process that wrote a file, or 0 if the file name does not contain one."""
    number = file.name.split("-")[0]
    return int(number) if number.isdigit() else 0


def _writeAtomically(file: Path, content: bytes) -> None:
    partial = file.with_name(f"{file.name}.part")
    partial.write_bytes(content)
    os.replace(partial, file)
