"""What a model makes of held-out phantoms, of which everything is known: the numbers of the model card.

In the order data flows:

    records, examine, collect    what a model answers about each phantom, in files, one a case
    kinds, statements            what was planted beside what is stated, by the text or by the finding head
    measures, calibration        numbers over cases
    tables, collapsed, results   tables of them, and of several models side by side
    real, timing                 real CTs; seconds and megabytes
    card, agreement              the model card, and whether numbers measured again agree with it
"""

from reg2rg.benchmark.results import BenchmarkResults, comparison_tables, run_benchmark

__all__ = ["BenchmarkResults", "comparison_tables", "run_benchmark"]
