"""Measurements of a model on held-out phantoms, whose findings are known: the numbers of the model card.

Files in the order data flows:

    records            a model's answers about one case, stored as JSON
    examine            query a model about one case
    collect            query it about many phantoms in parallel, keeping the records on disk
    finding_groups     labels by region, focal labels, size bands
    statements         findings stated by a text or by the finding head, matched with the planted ones
    calibration_error  expected calibration error and reliability plot of the finding head
    metrics            headline metrics over cases
    result_tables      tables of findings, pointing, calibration and template collapse
    results            all metrics and tables of one model, and a comparison of several models
    real_cts           the same model on real CTs
    planted_cts        findings planted into real CTs of held-out patients
    annotated_cts      lesions that readers outlined in real CTs
    far_volumes        the check for unusual volumes, on changed CTs of held-out patients
    headline           the main numbers of several models side by side
    timing             seconds per report
    model_card         the model card and its numbers as JSON
    agreement          whether a new measurement agrees with the stored numbers

Run it with ``python -m reg2rg.benchmark``.
"""

from reg2rg.benchmark.results import BenchmarkResults, comparison_tables, run_benchmark

__all__ = ["BenchmarkResults", "comparison_tables", "run_benchmark"]
