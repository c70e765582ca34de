"""The scans in folders, DICOM archives, globs and tables, and how many files and series were left out, and why."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from reg2rg.batch.places import Place
from reg2rg.batch.remote import RemoteFile, is_url, list_files
from reg2rg.batch.source import Source, is_slice
from reg2rg.batch.table import Row, read_table
from reg2rg.errors import InputError, Reg2RGError
from reg2rg.runtime.staging import scratch_folder
from reg2rg.volumes import ArchivedSeries, files_of_volume, is_volume_file, list_series_of
from reg2rg.volumes.zip_files import number_of, unpack

_Listing = tuple[tuple[str, int, int], ...]
"""Names, sizes and times of the files in a folder."""


@dataclass
class Inventory:
    """What the inputs contain.

    Attributes:
        sources: the scans, in an order that does not depend on that of the inputs.
        left_out: what else there is, to the number of files or series.
    """

    sources: list[Source]
    left_out: Counter[str]


@dataclass
class _Found:
    """What has been found so far. Series may be spread over several folders."""

    volumes: dict[Path | RemoteFile, Source] = field(default_factory=dict)
    series: dict[str, ArchivedSeries] = field(default_factory=dict)
    zipped: list[Source] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    folders: set[Path] = field(default_factory=set)

    def add_series(self, part: ArchivedSeries) -> None:
        earlier = self.series.get(part.uid)
        self.series[part.uid] = part if earlier is None else earlier.with_part(part)

    def inventory(self) -> Inventory:
        """Return the scans, and count the series that are none."""
        sources, left_out = [*self.volumes.values(), *self.zipped], Counter(self.left_out)
        for series in self.series.values():
            if reason := series.reason_to_leave_out:
                left_out[reason] += 1
            else:
                sources.append(Source(series.files[0].parent, series.uid, files=series.files))
        return Inventory(sources, left_out)


class Inputs:
    """The inputs of a batch. They can be searched again and again: headers are read again only where files changed."""

    def __init__(self, inputs: Sequence[str], output: Place) -> None:
        """Remember where to search.

        Args:
            inputs: files, folders, tables and globs.
            output: the output folder, which is not searched.
        """
        self._inputs = inputs
        self._output = output.resolve() if isinstance(output, Path) else output
        self._headers: dict[Path, tuple[_Listing, list[ArchivedSeries], Counter[str]]] = {}
        self._zips: dict[Path, tuple[_Listing, Inventory]] = {}

    def find(self) -> Inventory:
        """Search the inputs.

        Raises:
            InputError: an input does not exist or is the output folder, or a table is not valid.
        """
        found, rows = _Found(), list[Row]()
        for path in self._paths():
            if path.is_dir():
                if path.resolve() == self._output:
                    raise InputError(f"{path} is an input and the output folder; choose another output folder.")
                self._search(path, found)
            elif _is_special(path):
                raise InputError(f"{path} is neither a file nor a folder; expected a folder, a CSV file or a scan.")
            elif path.suffix.lower() == ".csv":
                rows += read_table(path)
            else:
                self._add_files([path], found)
        for url in sorted({given for given in self._inputs if is_url(given)}):
            if url.lower().endswith(".csv"):
                rows += read_table(RemoteFile(url))
            else:
                written = f"{self._output}/"
                _add_remote_files([file for file in list_files(url) if not file.url.startswith(written)], found)
        inventory = found.inventory()
        for row in rows:
            inventory.sources += self._sources_of_row(row, inventory.left_out)
        _check_names(inventory.sources)
        distinct = {(source.key, source.masks): source for source in inventory.sources}
        inventory.sources = sorted(distinct.values(), key=lambda source: source.key)
        return inventory

    def _paths(self) -> list[Path]:
        paths = set()
        for given in self._inputs:
            if is_url(given):
                continue
            path = Path(given)
            matches = [path] if path.exists() else [Path(match) for match in glob.glob(given, recursive=True)]
            if not matches:
                raise InputError(f"{given} does not exist; expected a folder, a glob, a CSV file or a scan.")
            paths |= {Path(os.path.abspath(match)) for match in matches}
        return sorted(paths)

    def _search(self, top: Path, found: _Found) -> None:
        """Search a folder and its subfolders, except hidden ones and the output folder."""
        for parent, folders, names in os.walk(top):
            folder = Path(parent)
            if folder.resolve() == self._output:
                folders.clear()
                continue
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            files = [folder / name for name in sorted(names) if not name.startswith(".")]
            if folder not in found.folders:
                found.folders.add(folder)
                self._add_files([file for file in files if file.is_file()], found)

    def _add_files(self, files: list[Path], found: _Found) -> None:
        """Add the scans among files of one folder."""
        rest, voxels = [], set[Path]()
        for file in files:
            if file.name.lower().endswith(".seg.nrrd"):
                found.left_out["segmentation"] += 1
            elif file.suffix.lower() == ".zip":
                self._add_zip(file, found)
            elif is_volume_file(file):
                parts = files_of_volume(file)
                found.volumes[file] = Source(file, files=parts)
                voxels.update(parts)
            else:
                rest.append(file)
        series, left_out = self._series_among([file for file in rest if file not in voxels])
        for part in series:
            found.add_series(part)
        found.left_out += left_out

    def _add_zip(self, file: Path, found: _Found) -> None:
        """Add the scans in a ZIP file, which is unpacked to read headers; again only if it has changed."""
        listing = tuple(_listing([file]))
        known = self._zips.get(file)
        if known is None or known[0] != listing:
            known = self._zips[file] = listing, _unpacked(file)
        found.zipped += known[1].sources
        found.left_out += known[1].left_out

    def _series_among(self, files: list[Path]) -> tuple[list[ArchivedSeries], Counter[str]]:
        """Return the DICOM series among files of one folder; headers are read only if the files have changed."""
        if not files:
            return [], Counter()
        listing = tuple(_listing(files))
        known = self._headers.get(files[0].parent)
        if known is None or known[0] != listing:
            known = (listing, *list_series_of(files))
            self._headers[files[0].parent] = known
        return known[1], known[2]

    def _sources_of_row(self, row: Row, left_out: Counter[str]) -> Iterator[Source]:
        """Yield the scan of a table's row; several if it is an archive."""
        if isinstance(row.path, RemoteFile):
            yield Source(row.path, masks=row.masks, name=row.name)  # whether it exists is seen when it is its turn
            return
        path = Path(os.path.abspath(row.path))
        missing = next(
            (file for file in (path, row.masks) if isinstance(file, Path) and not os.path.exists(file)), None
        )
        if missing is not None:
            yield Source(path, masks=row.masks, name=row.name, problem=f"{missing} cannot be found.")
            return
        if _is_special(path):
            yield Source(path, name=row.name, problem=f"{path} is neither a file nor a folder.")
            return
        found = _Found()
        if path.is_dir():
            self._search(path, found)
        else:
            self._add_files([path], found)
        inventory = found.inventory()
        left_out += inventory.left_out
        if not inventory.sources:
            reasons = ", ".join(inventory.left_out) or "nothing"
            yield Source(path, name=row.name, problem=f"{path} contains no scan, but: {reasons}.")
        elif len(inventory.sources) > 1 and (row.name or row.masks):
            count = len(inventory.sources)
            yield Source(path, name=row.name, problem=f"{path} contains {count} scans; expected one per ID or masks.")
        else:
            yield from (replace(source, masks=row.masks, name=row.name) for source in inventory.sources)


def _is_special(path: Path) -> bool:
    """Return whether a path is a pipe or a device, whose reading may never end."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _unpacked(file: Path) -> Inventory:
    """Return the series in a ZIP file as the scans of a folder; if it cannot be unpacked, one that says why."""
    found = _Found()
    with scratch_folder() as folder:
        try:
            unpack(file, folder)
        except Reg2RGError as error:
            return Inventory([Source(file, files=(file,), problem=str(error))], Counter())
        for inside in sorted(folder.iterdir()):
            series, left_out = list_series_of(sorted(inside.iterdir()))
            for part in series:
                found.add_series(part)
            found.left_out += left_out
    inventory = found.inventory()
    if not inventory.sources and not inventory.left_out:
        inventory.left_out["empty ZIP file"] = 1
    inventory.sources = [
        Source(file, source.series, files=(file,), members=tuple(number_of(each.name) for each in source.files))
        for source in inventory.sources
    ]
    return inventory


def _add_remote_files(files: Sequence[RemoteFile], found: _Found) -> None:
    """Add the scans among files in a store. Slices of one folder are one scan, because no headers are read."""
    folders: dict[RemoteFile, tuple[RemoteFile, ...]] = {}
    for file in files:
        if file.name.lower().endswith(".seg.nrrd"):
            found.left_out["segmentation"] += 1
        elif is_volume_file(Path(file.name)) or file.name.lower().endswith(".zip"):
            found.volumes[file] = Source(RemoteFile(file.url), files=(file,))
        elif is_slice(file):
            folders[file.parent] = (*folders.get(file.parent, ()), file)
        else:
            found.left_out["other file"] += 1
    for folder, slices in folders.items():
        found.volumes[folder] = Source(folder, files=slices)


def _listing(files: Sequence[Path]) -> Iterator[tuple[str, int, int]]:
    for file in files:
        try:
            status = file.stat()
        except OSError:  # it has been removed meanwhile
            continue
        yield file.name, status.st_size, status.st_mtime_ns


def _check_names(sources: Sequence[Source]) -> None:
    """Raise an InputError if two scans, perhaps of different tables, have the same ID."""
    first: dict[str, Source] = {}
    for source in sources:
        if source.name and first.setdefault(source.name.casefold(), source) != source:
            raise InputError(f"The ID {source.name!r} belongs to several scans; expected one scan per ID.")
