"""The change feed of an Orthanc, and its series, by its REST API (https://orthanc.uclouvain.be/book/users/rest.html)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from reg2rg.errors import InputError, Reg2RGError
from reg2rg.exports.sending.address import Address, parse_address
from reg2rg.exports.sending.tls import Certificates
from reg2rg.exports.sending.web_service import WebService

if TYPE_CHECKING:
    import requests

T = TypeVar("T")

_PAGE = 100


@dataclass(frozen=True)
class Changes:
    """A part of the change feed.

    Attributes:
        stable: number of a change and ID of its series, for series that nothing was added to for a while.
        last: number of the last change, of whatever kind.
        done: whether there are no more changes.
    """

    stable: list[tuple[int, str]]
    last: int
    done: bool


@dataclass(frozen=True)
class ReceivedSeries:
    """A series in an Orthanc.

    Attributes:
        modality: its modality, such as CT.
        instances: IDs of its instances.
    """

    modality: str
    instances: tuple[str, ...]


class Orthanc:
    """An Orthanc that receives studies. Nothing in it is changed."""

    def __init__(self, url: str, certificates: Certificates) -> None:
        """Make no request yet.

        Raises:
            InputError: the address is not that of a web service.
        """
        self.address = _parse(url)
        self._service = WebService(self.address, certificates, "*/*")

    def changes(self, since: int) -> Changes:
        """Return the changes after a number, at most 100 of them.

        Raises:
            Reg2RGError: Orthanc cannot be reached, or does not answer as expected.
        """
        return self._read(self._get("changes", since=since, limit=_PAGE), _changes)

    def last_change(self) -> int:
        """Return the number of the last change; errors are those of ``changes``."""
        return self._read(self._get("changes?last"), _changes).last

    def series(self, series_id: str) -> ReceivedSeries | None:
        """Return a series; None if it was deleted. Errors are those of ``changes``."""
        answer = self._get(f"series/{series_id}")
        return None if answer is None else self._read(answer, _series)

    def save(self, instance_id: str, file: Path) -> bool:
        """Write the DICOM file of an instance; return False if it was deleted. Errors are those of ``changes``."""
        answer = self._get(f"instances/{instance_id}/file", stream=True)
        if answer is not None:
            self._service.save(answer, file)
        return answer is not None

    def _get(self, path: str, *, stream: bool = False, **parameters: int) -> requests.Response | None:
        """Return an answer; None if there is nothing of that name."""
        answer = self._service.request("GET", path, params=parameters, stream=stream)
        if answer.status_code in (401, 403):
            raise Reg2RGError(f"{self.address} refused access ({answer.status_code} {answer.reason}).")
        if answer.status_code not in (200, 404):
            raise Reg2RGError(f"{self.address} answered {answer.status_code} {answer.reason}; is it an Orthanc?")
        return answer if answer.status_code == 200 else None

    def _read(self, answer: requests.Response | None, read: Callable[[Any], T]) -> T:
        try:
            return read(None if answer is None else answer.json())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Reg2RGError(f"{self.address} does not answer like an Orthanc; is the address right?") from error


def _parse(url: str) -> Address:
    if url.partition("://")[0] not in ("http", "https"):
        raise InputError("The address of Orthanc is not valid; expected http://host:port or https://host:port.")
    return parse_address(url)


def _changes(values: Any) -> Changes:
    stable = [(each["Seq"], each["ID"]) for each in values["Changes"] if each["ChangeType"] == "StableSeries"]
    return Changes(stable, int(values["Last"]), bool(values["Done"]))


def _series(values: Any) -> ReceivedSeries:
    return ReceivedSeries(values["MainDicomTags"].get("Modality", ""), tuple(values["Instances"]))
