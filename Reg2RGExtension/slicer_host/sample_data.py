"""The module ``SampleData``: data sets that modules register, fetched into a cache and loaded on request."""

from __future__ import annotations

import hashlib
import tempfile
import types
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer


@dataclass
class SampleDataSource:
    """One data set: the files it consists of, and the nodes that they become.

    ``uris``, ``fileNames``, ``nodeNames``, ``checksums`` ("SHA256:...") and ``loadFileType`` are all single values or
    all lists of one length; ValueError otherwise.
    """

    sampleName: str | None = None
    uris: Any = None
    fileNames: Any = None
    nodeNames: Any = None
    checksums: Any = None
    loadFileType: Any = None
    thumbnailFileName: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.uris, str):
            self.uris, self.fileNames, self.nodeNames = [self.uris], [self.fileNames], [self.nodeNames]
            self.checksums, self.loadFileType = [self.checksums], [self.loadFileType]
        else:
            self.checksums = self.checksums or [None] * len(self.uris)
            if self.loadFileType is None or isinstance(self.loadFileType, str):
                self.loadFileType = [self.loadFileType] * len(self.uris)
        lists = (self.uris, self.fileNames, self.nodeNames, self.checksums, self.loadFileType)
        if len({len(each) for each in lists}) != 1:
            raise ValueError(f"All fields of a sample data source must have the same length, got {lists}")


class SampleDataLogic:
    """Registers data sets and loads them."""

    @staticmethod
    def registerCustomSampleDataSource(category: str = "Custom", **fields: Any) -> None:
        """Offer a data set; offered again it stays one. TypeError names a field that there is not."""
        source = SampleDataSource(**fields)
        known = _sources().setdefault(category, [])
        if source not in known:
            known.append(source)

    @staticmethod
    def sampleDataSourcesByCategory(category: str | None = None) -> Any:
        return _sources() if category is None else _sources().get(category, [])

    def downloadSamples(self, sampleName: str) -> list[Any]:
        """Load the nodes of a data set; [] if none has the name, ValueError if a file is not what it should be."""
        named = (each for group in _sources().values() for each in group if each.sampleName == sampleName)
        source = next(named, None)
        return [] if source is None else _load(source)

    def downloadSample(self, sampleName: str) -> Any:
        return self.downloadSamples(sampleName)[0]


def _sources() -> dict[str, list[SampleDataSource]]:
    if not hasattr(slicer.modules, "sampleDataSources"):
        slicer.modules.sampleDataSources = {}
    return slicer.modules.sampleDataSources


def _load(source: SampleDataSource) -> list[Any]:
    loaders = {"SegmentationFile": slicer.util.loadSegmentation, "VolumeFile": slicer.util.loadVolume}
    nodes = []
    with tempfile.TemporaryDirectory() as folder:
        entries = (source.uris, source.fileNames, source.nodeNames, source.checksums, source.loadFileType)
        for uri, file, node, checksum, kind in zip(*entries, strict=True):
            path = Path(folder) / file
            urllib.request.urlretrieve(uri, path)
            if checksum is not None and checksum != f"SHA256:{hashlib.sha256(path.read_bytes()).hexdigest()}":
                raise ValueError(f"{uri} is not the file that was registered; its checksum is another.")
            if node is not None:
                nodes.append(loaders[kind or "VolumeFile"](str(path), {"name": node}))
    return nodes


def make() -> types.ModuleType:
    """The module."""
    module = types.ModuleType("SampleData")
    module.SampleDataSource, module.SampleDataLogic = SampleDataSource, SampleDataLogic
    module.downloadSample = lambda sampleName: SampleDataLogic().downloadSample(sampleName)
    module.downloadSamples = lambda sampleName: SampleDataLogic().downloadSamples(sampleName)
    return module
