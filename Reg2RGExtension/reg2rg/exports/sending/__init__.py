"""Sending DICOM files to a DICOM node (C-STORE) or a DICOMweb service (STOW-RS).

Files:

    address      where to send to
    instances    the DICOM files of a folder
    record       what has been stored where, so that a transfer can be resumed
    tls          certificates
    connection   connections that break off
    web_service  requests to a web service
    dicom_node   C-ECHO and C-STORE
    dicomweb     QIDO-RS and STOW-RS
    send         one transfer, with a count of what was stored
"""
