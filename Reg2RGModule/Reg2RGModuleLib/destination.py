"""Where DICOM objects are sent to. The last destination is remembered, except for user name and password."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import slicer

SETTINGS = "Reg2RG/SendTo/"
"""Beginning of the names of the application settings with the last destination."""


class Destination(NamedTuple):
    """A DICOM node or a DICOMweb service. The fields have the names of ``reg2rg.pipeline.request.SendRequest``.

    Attributes:
        to: address, such as dicom://AET@host:port.
        title: application entity title of this program.
        tls_ca: file with the certificates of the authorities to trust, or "" for those of the system.
        tls_cert: file with this program's own certificate, or "".
        tls_key: file with the private key of that certificate, or "".
    """

    to: str
    title: str = "REG2RG"
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""

    def fields(self) -> dict[str, str]:
        """Return the fields of a request."""
        return {name: value for name, value in self._asdict().items() if value}


def remembered() -> Destination:
    """Return the last destination."""
    settings = slicer.app.userSettings()
    default = Destination("")
    return Destination(*(settings.value(SETTINGS + name, value) or value for name, value in default._asdict().items()))


def remember(destination: Destination) -> None:
    """Remember a destination.

    Raises:
        ValueError: its address is not valid.
    """
    from reg2rg.exports.sending.address import parse_address

    settings = slicer.app.userSettings()
    address = str(parse_address(destination.to))  # without a password
    for name, value in destination._replace(to=address)._asdict().items():
        settings.setValue(SETTINGS + name, value)


def recordFolder() -> Path:
    """Return the folder in which unfinished transfers are recorded. It contains addresses and UIDs."""
    return Path(slicer.app.userSettings().fileName()).parent / "Reg2RG transfers"
