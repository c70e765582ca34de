"""Requests to a web service, which go to its address and nowhere else.

User name and password are taken from the address or from ``~/.netrc``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from reg2rg.errors import Reg2RGError
from reg2rg.exports.sending.address import Address
from reg2rg.exports.sending.connection import BrokenConnectionError
from reg2rg.exports.sending.tls import Certificates

if TYPE_CHECKING:
    import requests

TIMEOUT_S = 60


class WebService:
    """A connection to a web service. Redirects are not followed."""

    def __init__(self, address: Address, certificates: Certificates, accept: str) -> None:
        """Make no request yet.

        Args:
            address: its address.
            certificates: for a connection with TLS.
            accept: media type of the answers.
        """
        import requests

        self._address = address
        self._certificates = certificates
        self._session = requests.Session()
        self._session.headers["Accept"] = accept
        if certificates.certificate is not None:
            self._session.cert = (str(certificates.certificate), str(certificates.key))

    def __enter__(self) -> WebService:
        return self

    def __exit__(self, *error: object) -> None:
        self._session.close()

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """Make a request.

        Args:
            method: such as "GET".
            path: path below the address.
            options: as in the package requests.

        Raises:
            BrokenConnectionError: the service cannot be reached.
            Reg2RGError: no encrypted connection can be made with it.
        """
        import requests

        # Given with the request, because an environment variable would replace what a session says.
        options |= {"verify": str(self._certificates.authority or "") or None}
        url = f"{self._address.url}/{path}"
        try:
            return self._session.request(method, url, timeout=TIMEOUT_S, allow_redirects=False, **options)
        except requests.exceptions.SSLError as error:
            problem = "made no encrypted connection; perhaps it expects http, or a certificate (--tls-cert)."
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                problem = "has a certificate that could not be verified; give that of its authority (--tls-ca)."
            raise Reg2RGError(f"{self._address} {problem}") from error
        except requests.RequestException as error:  # its message would contain the URL, and with it a password
            raise self._broken() from error

    def save(self, answer: requests.Response, file: Path) -> None:
        """Write the body of an answer to a file. The request must have had the option ``stream=True``.

        Raises:
            BrokenConnectionError: the connection broke off.
        """
        import requests

        try:
            with answer, file.open("wb") as stream:
                for block in answer.iter_content(1 << 20):
                    stream.write(block)
        except requests.RequestException as error:
            raise self._broken() from error

    def _broken(self) -> BrokenConnectionError:
        return BrokenConnectionError(f"{self._address} could not be reached, or the connection broke off.")
