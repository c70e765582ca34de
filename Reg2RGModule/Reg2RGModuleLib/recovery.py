"""A review survives a crash: every change is also kept in a file, until the scene is closed in good order.

The files (review, regions and findings, no voxels, no patient tags) lie beside Slicer's settings and are deleted when
the scene or Slicer is closed. What is left belongs to a Slicer that crashed, and is offered for the volume it was made
of.
"""

import hashlib
import json
import os
from pathlib import Path

import slicer

from Reg2RGModuleLib import processes, reportNode, segmentationFile


class Recovery:
    """Files of the reports of this Slicer, and those that a crashed one left."""

    def __init__(self):
        self._folder = Path(slicer.app.userSettings().fileName()).parent / "Reg2RG recovery"

    def keep(self, node, review):
        """Keep the review of a report node as it stands; what is in the views is written the first time."""
        key = _keyOf(node)
        volume, segmentation = reportNode.volumeOf(node), reportNode.segmentationOf(node)
        if volume is None or segmentation is None:
            return
        if not self._fingerprint(key).exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            segmentationFile.save(segmentation, self._regions(key))
            findings = reportNode.findingsOf(node)
            if findings is not None and findings.GetSegmentation().GetNumberOfSegments():
                segmentationFile.save(findings, self._findings(key))
            _replace(self._fingerprint(key), fingerprint(volume).encode())
        _replace(self._review(key), review.toJson().encode("utf-8"))

    def outdate(self, node):
        """The report or its regions are new: write the regions again when its review is kept next."""
        self.discard(_keyOf(node))

    def forget(self):
        """Delete what this Slicer kept: its scene has been closed."""
        for file in self._folder.glob(f"{os.getpid()}-*"):
            file.unlink()

    def find(self, volume):
        """Key of the latest review that a crashed Slicer left of this volume; None if there is none."""
        left = [file for file in self._folder.glob("*.review.json") if not processes.isAlive(_owner(file))]
        if not left or volume is None or volume.GetImageData() is None:
            return None
        wanted = fingerprint(volume)
        keys = [file.name.removesuffix(".review.json") for file in sorted(left, key=lambda each: each.stat().st_mtime)]
        fitting = [key for key in keys if self._complete(key) and self._fingerprint(key).read_text() == wanted]
        return fitting[-1] if fitting else None

    def read(self, key):
        """The stored review (JSON), the file of its regions and that of its findings, None if it has none."""
        findings = self._findings(key)
        text = self._review(key).read_text(encoding="utf-8")
        return text, self._regions(key), findings if findings.exists() else None

    def discard(self, key):
        for file in (self._review(key), self._regions(key), self._findings(key), self._fingerprint(key)):
            file.unlink(missing_ok=True)

    def _complete(self, key):
        return self._regions(key).exists() and self._fingerprint(key).exists()

    def _review(self, key):
        return self._folder / f"{key}.review.json"

    def _regions(self, key):
        return self._folder / f"{key}.seg.nrrd"

    def _findings(self, key):
        return self._folder / f"{key}.findings.seg.nrrd"

    def _fingerprint(self, key):
        return self._folder / f"{key}.volume.txt"


def fingerprint(volume):
    """Tells volumes apart by grid and voxels."""
    import vtk

    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    grid = [round(matrix.GetElement(row, column), 3) for row in range(3) for column in range(4)]
    digest = hashlib.sha256(json.dumps([*volume.GetImageData().GetDimensions(), *grid]).encode())
    digest.update(memoryview(slicer.util.arrayFromVolume(volume)).cast("B"))
    return digest.hexdigest()


def _keyOf(node):
    return f"{os.getpid()}-{node.GetID()}"


def _owner(file):
    number = file.name.split("-")[0]
    return int(number) if number.isdigit() else 0


def _replace(file, content):
    """Write a file whole or not at all."""
    partial = file.with_name(f"{file.name}.part")
    partial.write_bytes(content)
    os.replace(partial, file)
