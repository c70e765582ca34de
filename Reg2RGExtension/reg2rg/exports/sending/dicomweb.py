"""QIDO-RS and STOW-RS with a DICOMweb service (PS3.18, 10.5 and 10.6)."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reg2rg.errors import Reg2RGError
from reg2rg.exports.sending.address import Address
from reg2rg.exports.sending.instances import Instance, OnStored
from reg2rg.exports.sending.tls import Certificates
from reg2rg.exports.sending.web_service import WebService

if TYPE_CHECKING:
    import requests

_INSTANCE_UID, _REFERENCED, _FAILED, _WARNING = "00081155", "00081199", "00081198", "00081196"
_JSON = "application/dicom+json"


class DicomWeb:
    """A DICOMweb service.

    Args:
        address: its address.
        certificates: for a connection with TLS.
    """

    def __init__(self, address: Address, certificates: Certificates) -> None:
        self._address = address
        self._certificates = certificates

    def echo(self) -> None:
        """Check that the service answers a query.

        Raises:
            Reg2RGError: it does not.
        """
        with WebService(self._address, self._certificates, _JSON) as service:
            answer = service.request("GET", "studies", params={"limit": "1"})
        if answer.status_code not in (200, 204):
            raise Reg2RGError(f"{self._address} answered a query with {answer.status_code} {answer.reason}.")
        if answer.status_code == 200 and not _is_list(answer):
            raise Reg2RGError(f"{self._address} answers, but not as a DICOMweb service; is the path right?")

    def store(self, instances: Sequence[Instance], on_stored: OnStored) -> dict[str, str]:
        """Store files, each as it is and in a request of its own.

        Args:
            instances: the files.
            on_stored: called after each file that was stored, with the code of a warning or an empty text.

        Returns:
            SOP instance UID -> reason, for each file that was not stored.

        Raises:
            BrokenConnectionError: the connection failed.
            Reg2RGError: the service refused access. In both cases, files for which ``on_stored`` was not called were
                not stored.
        """
        failures: dict[str, str] = {}
        with WebService(self._address, self._certificates, _JSON) as service:
            for instance in instances:
                reason, warning = self._store_one(service, instance)
                if reason:
                    failures[instance.uid] = reason
                else:
                    on_stored(instance, warning)
        return failures

    def _store_one(self, service: WebService, instance: Instance) -> tuple[str, str]:
        """Store a file; return why it was not stored, and the code of a warning. Both are empty if all is well."""
        boundary = secrets.token_hex(16)
        answer = service.request(
            "POST",
            "studies",
            data=_body(instance, boundary),
            headers={"Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}'},
        )
        if answer.status_code in (401, 403):
            raise Reg2RGError(f"{self._address} refused access ({answer.status_code} {answer.reason}).")
        if answer.status_code not in (200, 202):
            return f"answered {answer.status_code} {answer.reason}", ""
        try:
            result = answer.json()
        except ValueError:  # such as the page of a proxy that asks for a password
            return "did not say what it stored", ""
        result = result[0] if isinstance(result, list) and result else result
        try:
            stored, failed = (_items(result, tag) for tag in (_REFERENCED, _FAILED))
            if instance.uid not in stored or instance.uid in failed:
                return "did not store it", ""
            warnings = stored[instance.uid].get(_WARNING, {}).get("Value", [])
            return "", ", ".join(f"0x{warning:04X}" for warning in warnings)
        except (AttributeError, TypeError, ValueError):  # it is not what the standard says
            return "did not say what it stored", ""


def _body(instance: Instance, boundary: str) -> bytes:
    """Return the body of a request with one file. Some servers need its length in advance."""
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n"
    return head.encode() + instance.file.read_bytes() + f"\r\n--{boundary}--\r\n".encode()


def _is_list(answer: requests.Response) -> bool:
    """Return whether an answer is a list in JSON."""
    try:
        return isinstance(answer.json(), list)
    except ValueError:
        return False


def _items(result: Any, tag: str) -> dict[str, Any]:
    """Return the items in a sequence of an answer by their SOP instance UIDs."""
    items = result.get(tag, {}).get("Value", []) if isinstance(result, dict) else []
    return {str(value): item for item in items for value in item.get(_INSTANCE_UID, {}).get("Value", [])}
