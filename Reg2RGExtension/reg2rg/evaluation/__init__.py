"""Evaluation: how good reports are, and what the usual numbers hide. A leaf: the inference path never imports it.

In the order data flows:

    csvs, parsing, sources, predictions     from files to pairs of texts
    wordnet, meteor, bleu, rouge, cider, nlg    agreement of words, as published
    clinical, recognition, printed          findings and regions, as published
    collapse, location, contradictions, lengths what the published numbers hide
    bootstrap, comparison                   how sure a number is, and whether two systems differ
    evaluate, tables, plots, page           all of it, and the forms it leaves in
"""
