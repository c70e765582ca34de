"""Exports: the files that the engine writes for a report.

Files:

    terminology        SNOMED CT codes of regions and findings, as Slicer writes them
    segmentation_nrrd  regions and findings as Slicer segmentations
    marks              finding marks on slices
    slices             orthogonal slices with regions and marks
    text_column        the sections as a column of text in a picture
    preview            a picture of slices next to the sections
    source_ct          the CT that a report was made from
    report_folder      all files of a report
    markdown           a report as Markdown
    view_grid          CT and regions as coarse as a screen allows
    places             what a link in the report shows in the pictures
    templates          what the HTML page and the PDF have in common
    radgenome          a signed report as a training case
    images             the images of a report, as an export is given them
    formats            the table of formats that a report can be exported to
    dicom              segmentations and structured reports as DICOM objects
    sending            DICOM files to a DICOM node or a DICOMweb service
"""
