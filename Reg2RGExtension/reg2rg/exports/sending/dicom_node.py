"""C-ECHO and C-STORE with a DICOM node (PS3.7, 9.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reg2rg.errors import Reg2RGError
from reg2rg.exports.sending.address import Address
from reg2rg.exports.sending.connection import BrokenConnectionError
from reg2rg.exports.sending.instances import Instance, OnStored
from reg2rg.exports.sending.tls import Certificates

if TYPE_CHECKING:
    from pynetdicom.association import Association

TIMEOUT_S = 60

_MAXIMUM_CONTEXTS = 128
_SUCCESS = 0x0000
_WARNINGS = range(0xB000, 0xC000)


class DicomNode:
    """A DICOM node.

    Args:
        address: its address.
        certificates: for a connection with TLS.
        calling_title: application entity title of this program.
    """

    def __init__(self, address: Address, certificates: Certificates, calling_title: str) -> None:
        self._address = address
        self._certificates = certificates
        self._calling_title = calling_title

    def echo(self) -> None:
        """Check that the node answers.

        Raises:
            Reg2RGError: it does not.
        """
        association = self._associate([("1.2.840.10008.1.1", "1.2.840.10008.1.2")])
        try:
            status = association.send_c_echo()
            if status.get("Status") != _SUCCESS:
                raise Reg2RGError(f"{self._address} accepted a connection, but did not answer a C-ECHO.")
        finally:
            association.release()

    def store(self, instances: Sequence[Instance], on_stored: OnStored) -> dict[str, str]:
        """Store files, each as it is.

        Args:
            instances: the files.
            on_stored: called after each file that was stored, with the code of a warning or an empty text.

        Returns:
            SOP instance UID -> reason, for each file that was not stored.

        Raises:
            BrokenConnectionError: the connection failed.
            Reg2RGError: the node refused it. In both cases, files for which ``on_stored`` was not called were not
                stored.
        """
        from pynetdicom import _config

        _config.STORE_SEND_CHUNKED_DATASET = True  # files are sent as they are, neither decoded nor held in memory
        kinds = list(dict.fromkeys((each.sop_class, each.transfer_syntax) for each in instances))
        failures: dict[str, str] = {}
        for start in range(0, len(kinds), _MAXIMUM_CONTEXTS):
            part = kinds[start : start + _MAXIMUM_CONTEXTS]
            wanted = [each for each in instances if (each.sop_class, each.transfer_syntax) in part]
            association = self._associate(part)
            try:
                for instance in wanted:
                    reason, warning = self._store_one(association, instance)
                    if reason:
                        failures[instance.uid] = reason
                    else:
                        on_stored(instance, warning)
            finally:
                association.release()
        return failures

    def _store_one(self, association: Association, instance: Instance) -> tuple[str, str]:
        """Store a file; return why it was not stored, and the code of a warning. Both are empty if all is well."""
        from pydicom.uid import UID

        accepted = {(str(c.abstract_syntax), str(c.transfer_syntax[0])) for c in association.accepted_contexts}
        if (instance.sop_class, instance.transfer_syntax) not in accepted:
            return f"does not accept {UID(instance.sop_class).name} in {UID(instance.transfer_syntax).name}", ""
        try:
            status = association.send_c_store(instance.file).get("Status")
        except RuntimeError:  # the association was aborted
            status = None
        if status is None:
            raise BrokenConnectionError(f"The connection to {self._address} broke off.")
        if status == _SUCCESS:
            return "", ""
        code = f"0x{status:04X}"
        return ("", code) if status in _WARNINGS else (f"refused it with status {code}", "")

    def _associate(self, kinds: Sequence[tuple[str, str]]) -> Association:
        from pynetdicom import AE

        entity = AE(ae_title=self._calling_title)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = entity.connection_timeout = TIMEOUT_S
        for sop_class, transfer_syntax in kinds:
            entity.add_requested_context(sop_class, transfer_syntax)
        tls = (self._certificates.context(), self._address.host) if self._address.encrypted else None
        try:
            association = entity.associate(
                self._address.host, self._address.port or 0, ae_title=self._address.title, tls_args=tls
            )
        except OSError as error:  # the host has no address
            raise Reg2RGError(
                f"{self._address} could not be reached ({error.strerror}); is the address right?"
            ) from error
        if association.is_rejected:
            raise Reg2RGError(f"{self._address} rejected the connection; are the titles of both sides known to it?")
        if not association.is_established:
            hint = ", and is its certificate from an authority that is trusted (--tls-ca)" if tls else ""
            raise BrokenConnectionError(
                f"{self._address} could not be reached, or broke off; is the address right{hint}?"
            )
        return association
