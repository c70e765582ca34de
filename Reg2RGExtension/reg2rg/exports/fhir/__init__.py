"""A report as a FHIR R4 bundle: an Interactive Multimedia Report (IHE RAD IMR) once it is signed.

Files, in the order data flows:

    study             the DICOM objects that the bundle refers to: slices, segments and documents
    selections        the ImagingSelection behind each reference of the text, with a link to its slice
    narrative.html    template of the text: spans that name ImagingSelections, or links
    bundle            the bundle itself
"""
