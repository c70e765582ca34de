"""Predicted and reference reports, read from files and paired.

Files in the order data flows:

    csv_files         CSV files in any common encoding
    published_format  the published report text: slots, sections, region names
    predictions       the data types: texts by case, as read and as paired
    references        reference files in the layout of RadGenome-ChestCT
    report_folders    folders written by ``reg2rg report``
    prediction_files  all accepted kinds of predictions
    pairing           each prediction matched with its reference
"""
