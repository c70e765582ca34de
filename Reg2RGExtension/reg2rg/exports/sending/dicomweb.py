"""QIDO-RS and STOW-RS with a DICOMweb service (PS3.18, 10.5 and 10.6).

User name and password are taken from the address or from ``~/.netrc``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from reg2rg.errors import Reg2RGError
from reg2rg.exports.sending.address import Address
from reg2rg.exports.sending.instances import Instance
from reg2rg.exports.sending.tls import Certificates

if TYPE_CHECKING:
    import requests

TIMEOUT_S = 60

_INSTANCE_UID, _REFERENCED, _FAILED = "00081155", "00081199", "00081198"
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
        with self._session() as session:
            answer = self._send(session, "GET", f"{self._address.url}/studies", params={"limit": "1"})
        if answer.status_code not in (200, 204):
            raise Reg2RGError(f"{self._address} answered a query with {answer.status_code} {answer.reason}.")

    def store(self, instances: Sequence[Instance], on_stored: Callable[[Instance], None]) -> dict[str, str]:
        """Store files, each as it is and in a request of its own.

        Args:
            instances: the files.
            on_stored: called after each file that was stored.

        Returns:
            SOP instance UID -> reason, for each file that was not stored.

        Raises:
            Reg2RGError: the connection failed; files for which ``on_stored`` was not called were not stored.
        """
        failures: dict[str, str] = {}
        with self._session() as session:
            for instance in instances:
                if reason := self._store_one(session, instance):
                    failures[instance.uid] = reason
                else:
                    on_stored(instance)
        return failures

    def _store_one(self, session: requests.Session, instance: Instance) -> str | None:
        """Store a file; return why it was not stored."""
        boundary = secrets.token_hex(16)
        answer = self._send(
            session,
            "POST",
            f"{self._address.url}/studies",
            data=_body(instance, boundary),
            headers={"Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}'},
        )
        if answer.status_code in (401, 403):
            raise Reg2RGError(f"{self._address} refused access ({answer.status_code} {answer.reason}).")
        if answer.status_code not in (200, 202):
            return f"answered {answer.status_code} {answer.reason}"
        try:
            result = answer.json()
        except ValueError:
            return None if answer.status_code == 200 else "did not say what it stored"
        result = result[0] if isinstance(result, list) and result else result
        stored, failed = (_uids(result, tag) for tag in (_REFERENCED, _FAILED))
        return None if instance.uid in stored and instance.uid not in failed else "did not store it"

    def _session(self) -> requests.Session:
        import requests

        session = requests.Session()
        session.headers["Accept"] = _JSON
        if self._certificates.certificate is not None:
            session.cert = (str(self._certificates.certificate), str(self._certificates.key))
        return session

    def _send(self, session: requests.Session, method: str, url: str, **options: Any) -> requests.Response:
        import requests

        # Given with the request, because an environment variable would replace what a session says.
        verify = str(self._certificates.authority or "") or None
        try:
            return session.request(method, url, timeout=TIMEOUT_S, allow_redirects=False, verify=verify, **options)
        except requests.exceptions.SSLError as error:
            raise Reg2RGError(
                f"{self._address} has a certificate that could not be verified; give that of its authority (--tls-ca)."
            ) from error
        except requests.RequestException as error:  # its message would contain the URL, and with it a password
            raise Reg2RGError(f"{self._address} could not be reached, or the connection broke off.") from error


def _body(instance: Instance, boundary: str) -> bytes:
    """Return the body of a request with one file. Some servers need its length in advance."""
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n"
    return head.encode() + instance.file.read_bytes() + f"\r\n--{boundary}--\r\n".encode()


def _uids(result: Any, tag: str) -> set[str]:
    """Return the SOP instance UIDs in a sequence of an answer."""
    items = result.get(tag, {}).get("Value", []) if isinstance(result, dict) else []
    return {str(value) for item in items for value in item.get(_INSTANCE_UID, {}).get("Value", [])}
