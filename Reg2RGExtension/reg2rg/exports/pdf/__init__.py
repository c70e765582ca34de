"""A report as PDF.

Files, in the order data flows:

    pictures             slices through a place of the report
    page.html, page.css  template and style
    document             the PDF itself
"""
