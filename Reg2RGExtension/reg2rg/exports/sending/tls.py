"""Certificates for encrypted connections."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from reg2rg.errors import InputError


@dataclass(frozen=True)
class Certificates:
    """Files in PEM format.

    Attributes:
        authority: certificates of the authorities that the server's certificate is checked against; those of the
            system if None.
        certificate: this program's own certificate, if the server asks for one.
        key: the private key of that certificate.
    """

    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        """Check that the files exist and belong together."""
        if (self.certificate is None) != (self.key is None):
            raise InputError("A certificate and its private key belong together; give both or none of them.")
        for file in (self.authority, self.certificate, self.key):
            if file is not None and not file.is_file():
                raise InputError(f"{file} does not exist; expected a file in PEM format.")

    def context(self) -> ssl.SSLContext:
        """Return the settings of a connection. The server's certificate and host name are always checked."""
        try:
            context = ssl.create_default_context(cafile=self.authority)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except (ssl.SSLError, OSError) as error:
            raise InputError(f"The certificates cannot be used ({error}); expected files in PEM format.") from error
        return context
