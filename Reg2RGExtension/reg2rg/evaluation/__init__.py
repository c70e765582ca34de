"""Evaluation: how good reports are, and what the usual numbers hide. A leaf: the inference path never imports it.

In the order data flows:

    csvs, parsing, references, report_folders, sources, predictions
                                                   from files to pairs of texts
    wordnet, meteor, bleu, rouge, cider, nlg       agreement of words, as published
    readings, clinical, recognition, printed       findings and regions, as published
    collapse, location, contradictions, lengths    what the published numbers hide
    frame, bootstrap, comparison                   how sure a number is, and whether two systems differ
    evaluate, summary, tables                      all of it; modules named ..._tables only lay numbers out
    plots, page, outputs, run                      the forms it leaves in

Beside it, phantoms: what a model makes of held-out phantoms, of which everything is known (docs/method.md).

docs/evaluation.md says what each number means.
"""

from reg2rg.evaluation.run import run

__all__ = ["run"]
