"""DICOM: segmentations, structured reports and PDF of a report, in the study of its CT.

Files:

    source              the slices that the report is about: those of a DICOM series, or of a synthetic one
    synthetic           a volume without DICOM headers as a CT series of a synthetic study
    placing             masks on the slices of a series
    codes               codes of structures, findings, measures and units
    series              what all objects have in common: UIDs, device, state and dates
    segments            regions, structures and findings as segments
    segmentation        segments as DICOM segmentations (SEG)
    coordinates         points and lines as coordinates in the CT
    structured_report   what both structured reports have in common
    narrative           the text as a structured report (TID 2000)
    measurement_report  the measurements as a structured report (TID 1500)
    encapsulated_pdf    a PDF as a DICOM object
    study               all objects of a report
"""
