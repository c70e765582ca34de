"""Addresses to send to: those of DICOM nodes, with or without TLS, and URLs of DICOMweb services."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from reg2rg.errors import InputError

_EXPECTED = "expected dicom://AET@host:port, with TLS dicoms://AET@host:port, or the https:// URL of a DICOMweb service"
MAXIMUM_TITLE = 16
"""Longest application entity title, in characters."""


@dataclass(frozen=True)
class Address:
    """Where to send to.

    Attributes:
        scheme: "dicom", "dicoms", "http" or "https".
        host: name or IP address.
        port: port number; None for the default port of HTTP.
        title: application entity title of a DICOM node.
        url: URL of a DICOMweb service, which may contain a user name and a password.
    """

    scheme: str
    host: str
    port: int | None
    title: str = ""
    url: str = ""

    @property
    def is_node(self) -> bool:
        """Whether it is a DICOM node rather than a DICOMweb service."""
        return self.scheme in ("dicom", "dicoms")

    @property
    def encrypted(self) -> bool:
        """Whether the connection is encrypted."""
        return self.scheme in ("dicoms", "https")

    @property
    def exposed(self) -> bool:
        """Whether patient data would cross a network without encryption."""
        return not self.encrypted and self.host not in ("localhost", "127.0.0.1", "::1")

    def __str__(self) -> str:
        """Return the address for messages, without a password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        place = host if self.port is None else f"{host}:{self.port}"
        if self.is_node:
            return f"{self.scheme}://{self.title}@{place}"
        return f"{self.scheme}://{place}{urlsplit(self.url).path}"


def is_title(text: str) -> bool:
    """Return whether a text can be an application entity title (PS3.5, 6.2, AE)."""
    return text.isascii() and text.isprintable() and 0 < len(text) <= MAXIMUM_TITLE and "\\" not in text


def parse_address(text: str) -> Address:
    """Parse an address.

    Raises:
        InputError: it is not a valid address.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
        parts = urlsplit("")
    scheme, title = parts.scheme, parts.username or ""
    if not host or scheme not in ("dicom", "dicoms", "http", "https") or parts.query or parts.fragment:
        raise InputError(f"This is not a valid address to send to; {_EXPECTED}.")
    if scheme in ("http", "https"):
        return Address(scheme, host, port, url=text.rstrip("/"))
    if port is None or not is_title(title) or parts.password or parts.path.strip("/"):
        raise InputError(
            f"{scheme}:// addresses need the application entity title of the node, of at most {MAXIMUM_TITLE} "
            f"characters, and its port; {_EXPECTED}."
        )
    return Address(scheme, host, port, title)
