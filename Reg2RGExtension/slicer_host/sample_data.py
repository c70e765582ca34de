"""The module ``SampleData``: data sets that modules register and that are downloaded and loaded on request."""

from __future__ import annotations

import hashlib
import tempfile
import types
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import slicer

if TYPE_CHECKING:
    from slicer import vtkMRMLNode


@dataclass
class SampleDataSource:
    """A data set: its files, and the nodes as which they are loaded.

    ``uris``, ``fileNames``, ``nodeNames``, ``checksums`` ("SHA256:...") and ``loadFileType`` are given as single values
    or as lists of equal length, and are stored as lists.

    Raises:
        ValueError: If the lists differ in length.
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
        if len({len(values) for values in lists}) != 1:
            raise ValueError(f"All fields of a sample data source must have the same length, got {lists}")


class SampleDataLogic:
    """Registers data sets and loads them."""

    @staticmethod
    def registerCustomSampleDataSource(category: str = "Custom", **fields: Any) -> None:
        """Register a data set. Registering it again has no effect.

        Args:
            category: Heading under which it is listed.
            **fields: Fields of SampleDataSource.
        """
        source = SampleDataSource(**fields)
        registered = _sources().setdefault(category, [])
        if source not in registered:
            registered.append(source)

    @staticmethod
    def sampleDataSourcesByCategory(category: str | None = None) -> Any:
        """Return the data sets of a category or, if it is None, a dictionary of all categories."""
        return _sources() if category is None else _sources().get(category, [])

    def downloadSamples(self, sampleName: str) -> list[vtkMRMLNode]:
        """Load a data set and return its nodes, or an empty list if there is no data set with this name.

        Raises:
            ValueError: If a file does not have the registered checksum.
        """
        sources = [source for category in _sources().values() for source in category]
        return next((_load(source) for source in sources if source.sampleName == sampleName), [])

    def downloadSample(self, sampleName: str) -> vtkMRMLNode:
        """Load a data set and return its first node."""
        return self.downloadSamples(sampleName)[0]


def _sources() -> dict[str, list[SampleDataSource]]:
    if not hasattr(slicer.modules, "sampleDataSources"):
        slicer.modules.sampleDataSources = {}
    return slicer.modules.sampleDataSources


def _load(source: SampleDataSource) -> list[vtkMRMLNode]:
    loaders = {"SegmentationFile": slicer.util.loadSegmentation, "VolumeFile": slicer.util.loadVolume}
    nodes = []
    with tempfile.TemporaryDirectory() as folder:
        fields = (source.uris, source.fileNames, source.nodeNames, source.checksums, source.loadFileType)
        for uri, file_name, node_name, checksum, file_type in zip(*fields, strict=True):
            file = Path(folder) / file_name
            urllib.request.urlretrieve(uri, file)
            actual = f"SHA256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
            if checksum not in (None, actual):
                raise ValueError(f"The checksum of {uri} is {actual}, but {checksum} was registered.")
            if node_name is not None:
                nodes.append(loaders[file_type or "VolumeFile"](str(file), {"name": node_name}))
    return nodes


def make() -> types.ModuleType:
    """Return the module."""
    module = types.ModuleType("SampleData")
    members = {
        "SampleDataSource": SampleDataSource,
        "SampleDataLogic": SampleDataLogic,
        "downloadSample": lambda sampleName: SampleDataLogic().downloadSample(sampleName),
        "downloadSamples": lambda sampleName: SampleDataLogic().downloadSamples(sampleName),
    }
    for name, member in members.items():
        setattr(module, name, member)
    return module
