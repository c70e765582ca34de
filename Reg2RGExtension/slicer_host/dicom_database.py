"""The DICOM database: which file contains which image."""

from __future__ import annotations


class DicomDatabase:
    """The part of ctkDICOMDatabase that modules use. It is kept in memory and starts empty."""

    def __init__(self) -> None:
        self._files: dict[str, str] = {}

    def insert(self, filePath: str) -> None:
        """Add a DICOM file. It stays where it is."""
        import pydicom

        header = pydicom.dcmread(filePath, stop_before_pixels=True, specific_tags=["SOPInstanceUID"])
        self._files[str(header.SOPInstanceUID)] = filePath

    def fileForInstance(self, sopInstanceUID: str) -> str:
        """Return the file that contains an image, or "" if the database does not have it."""
        return self._files.get(sopInstanceUID, "")
