"""Exports: the files in which a report leaves the engine.

Files:

    terminology        SNOMED CT codes of regions and findings, as Slicer writes them
    segmentation_nrrd  regions and findings as Slicer segmentations
    marks              marks of findings in slices
    slices             orthogonal slices with regions and marks
    text_column        the sections as a column of text in a picture
    preview            slices beside the sections, as a picture
    report_folder      all files of a report
"""
