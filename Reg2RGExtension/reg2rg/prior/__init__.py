"""Comparison with a prior CT.

Files, in the order data flows:

    interval       when a CT was acquired
    scan           one of the two CTs, or what the report of one says
    registration   where a point of one CT lies in the other
    lesions        solid lesions near a point, and their volumes
    surroundings   the exact place of a lesion, by the vessels around it
    cutoffs        which differences count as a change
    compare        matched findings and measurements, and what changed
    wording        changes as sentences

Only lesions with a measurable volume and measurements with a cut-off are compared. What the other CT does not show is
"not comparable", never new or resolved.
"""

from reg2rg.prior.compare import ComparedScans, compare
from reg2rg.prior.interval import acquisition_date
from reg2rg.prior.scan import ComparedScan, described_scan

__all__ = ["ComparedScan", "ComparedScans", "acquisition_date", "compare", "described_scan"]
