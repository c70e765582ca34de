"""A PDF as a DICOM object (PS3.3, A.45.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reg2rg.exports.dicom.series import Kind, Origin, finish

if TYPE_CHECKING:
    from highdicom.base import SOPClass


def make_encapsulated_pdf(origin: Origin, pdf: bytes) -> SOPClass:
    """Return a PDF as a DICOM object in the study of the source.

    Args:
        origin: the report and its source.
        pdf: the PDF of the report.
    """
    from highdicom.base import SOPClass
    from highdicom.sr import CodedConcept
    from pydicom.dataset import Dataset
    from pydicom.sr.codedict import codes
    from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian

    header = origin.source.headers[0]
    document = SOPClass(
        study_instance_uid=header.StudyInstanceUID,
        sop_class_uid=EncapsulatedPDFStorage,
        modality="DOC",
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **origin.series(Kind.PDF),
    )
    document.copy_patient_and_study_information(header)
    document.ConversionType = "WSD"
    document.AcquisitionDateTime = f"{origin.time:%Y%m%d%H%M%S}"
    document.BurnedInAnnotation = "YES"  # names and dates may be on the pages
    document.DocumentTitle = origin.description(Kind.PDF)
    document.ConceptNameCodeSequence = [CodedConcept.from_code(codes.LN.CTChestReport)]
    document.VerificationFlag = "VERIFIED" if origin.signed else "UNVERIFIED"
    document.MIMETypeOfEncapsulatedDocument = "application/pdf"
    document.EncapsulatedDocumentLength = len(pdf)
    document.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    document.SourceInstanceSequence = []
    for each in origin.source.headers:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = each.SOPClassUID, each.SOPInstanceUID
        document.SourceInstanceSequence.append(item)
    finish(document, origin)
    return document
