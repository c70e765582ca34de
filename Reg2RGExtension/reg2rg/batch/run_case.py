"""The function from a case to its report folder, in two steps that may run in different processes or on two machines.

Neither step depends on other cases. ``prepare`` leaves in a folder what ``finish`` needs, and ``finish`` writes the
report folder, all of it or nothing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reg2rg.batch.downloads import downloaded
from reg2rg.batch.failures import ScanChanged, is_disk_full
from reg2rg.batch.naming import without_names
from reg2rg.batch.places import Place, at_hand
from reg2rg.batch.records import RECORD_FILE, CaseRecord, write_record
from reg2rg.batch.remote import RemoteFile
from reg2rg.batch.settings import Settings
from reg2rg.batch.source import Case, Source
from reg2rg.batch.thumbnails import write_thumbnail
from reg2rg.errors import InputError
from reg2rg.exports.measurements import MEASUREMENT_FILES
from reg2rg.pipeline.events import Event
from reg2rg.pipeline.failures import as_failure
from reg2rg.runtime.staging import scratch_folder, staged_output
from reg2rg.volumes.zip_files import open_members

_LINKS = "series"


@dataclass(frozen=True)
class Outcome:
    """How a case has ended. Unlike an exception, it survives the way from another machine.

    Attributes:
        cause: why it has failed, in one line without names of files; empty if it has not.
        disk_full: whether it has failed because the disk is full.
        scan_changed: whether it has failed because the scan changed while it was read.
    """

    cause: str = ""
    disk_full: bool = False
    scan_changed: bool = False


def run_case(case: Case, settings: Settings, output: Path) -> None:
    """Write the report folder of a case.

    Args:
        case: the case.
        settings: the options of all cases.
        output: the report folder.
    """
    with scratch_folder() as folder:
        prepare(case, settings, folder, output)
        finish(case, settings, folder, output)


def prepare(case: Case, settings: Settings, folder: Place, output: Place) -> None:
    """Do all that needs no weights of a model: read, segment, measure and crop a scan.

    Args:
        case: the case.
        settings: the options of all cases.
        folder: an existing folder, to which the result is written.
        output: the report folder, which is not changed.

    Raises:
        ScanChanged: the files of the scan changed while they were read.
    """
    from reg2rg.batch.prepared_files import write_prepared
    from reg2rg.pipeline.run import prepare_report, run_measurement

    source = case.source
    if source.problem:
        raise InputError(source.problem)
    with at_hand(output) as earlier:
        _refuse_reviewed(earlier)
    with at_hand(folder) as target, _files_of(source, target) as (volume, masks):
        if settings.measure_only:
            run_measurement(settings.measure_request(volume, source.series, masks, target), _ignore)
        else:
            request = settings.report_request(volume, source.series, masks, target)
            write_prepared(prepare_report(request, target, _ignore), target)
    if not case.unchanged:
        raise ScanChanged("The scan changed while it was read; run the command again once it is complete.")


def finish(case: Case, settings: Settings, folder: Place, output: Place) -> None:
    """Write the report folder of a prepared case. Its record comes last, and says that the folder is complete.

    Args:
        case: the case.
        settings: the options of all cases.
        folder: the folder that was given to ``prepare``.
        output: the report folder.
    """
    from reg2rg.batch.prepared_files import read_prepared
    from reg2rg.pipeline.run import write_report

    with at_hand(folder) as prepared, at_hand(output) as target:
        if settings.measure_only:
            with staged_output(target, MEASUREMENT_FILES) as staged:
                for file in prepared.iterdir():
                    shutil.move(file, staged / file.name)
        else:
            masks = None if case.source.masks is None else prepared  # neither the scan nor its masks are read again
            request = settings.report_request(prepared, case.source.series, masks, target)
            write_report(request, read_prepared(prepared), prepared, _ignore)
        write_thumbnail(target)
        write_record(CaseRecord(case.id, case.content, settings.identity), target / RECORD_FILE)


def outcome_of(error: BaseException, case: Case, folder: Place, output: Place) -> Outcome:
    """Return the outcome of a case that has failed."""
    folders = {folder / _LINKS: "the scan", folder: "the temporary folder", output: "the report folder"}
    cause = without_names(as_failure(error).message, case.source, folders)
    return Outcome(cause, is_disk_full(error), isinstance(error, ScanChanged))


@contextlib.contextmanager
def _files_of(source: Source, folder: Path) -> Iterator[tuple[Path, Path | None]]:
    """Provide the volume file, or a folder with the files of a series and no others, and the masks.

    The names of files in that folder say nothing. What is in a store is downloaded.
    """
    with downloaded(source) as local:
        assert isinstance(local.path, Path) and not isinstance(local.masks, RemoteFile)
        if not local.series:
            yield local.path, local.masks
            return
        links = folder / _LINKS
        links.mkdir()
        try:
            if local.members:
                for number, stream in enumerate(open_members(local.path, local.members)):
                    with (links / f"{number:06d}.dcm").open("wb") as copy:
                        shutil.copyfileobj(stream, copy)
            else:
                for number, file in enumerate(local.files):
                    _link(file, links / f"{number:06d}.dcm")
            yield links, local.masks
        finally:
            shutil.rmtree(links)


def _link(file: Path | RemoteFile, link: Path) -> None:
    assert isinstance(file, Path)
    try:
        link.symlink_to(file)
    except OSError:  # Windows reserves links for developers
        shutil.copyfile(file, link)


def _refuse_reviewed(output: Path) -> None:
    """Raise an InputError if a reviewer has worked on the report that would be replaced."""
    from reg2rg.exports.report_folder import refuse_signed
    from reg2rg.report import REPORT_FILE, load_report

    refuse_signed(output)
    if os.path.lexists(output / REPORT_FILE) and load_report(output).review is not None:
        raise InputError("The report of this case has been reviewed, so it stays; choose another ID or output folder.")


def _ignore(event: Event) -> None:
    """Do nothing with an event of the pipeline."""
