"""Agreement of a new measurement with the numbers stored with the model card, within sampling error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from reg2rg.evaluation import Cell, Table

TOLERANCE_STANDARD_ERRORS = 3.5
"""Largest accepted difference in standard errors. It is generous because some thirty numbers are compared at once."""

TOLERANCE_ABSOLUTE = 0.005
"""Added to the tolerance, because intervals from few cases are rough."""


def check_agreement(stored: Mapping[str, Any], current: Mapping[str, Any]) -> tuple[Table, bool]:
    """Compare two measurements of the same model.

    If nearly all cases have the same outcome, the uncertainty follows from the number of items: 20 of 20 does not
    imply 100 of 100.

    Args:
        stored: Stored numbers, as returned by ``BenchmarkResults.to_json_dict``.
        current: New numbers, in the same form.

    Returns:
        A table of the headline metrics, and whether all of them agree.
    """
    rows: list[tuple[Cell, ...]] = []
    all_agree = True
    for name, before in stored["metrics"].items():
        after = current["metrics"].get(name)
        if after is None:
            rows.append((name, before["value"], None, None, "no (missing)"))
            all_agree = False
        elif _is_undefined(before) or _is_undefined(after):
            rows.append((name, before["value"], after["value"], None, "not comparable"))
        else:
            is_share = not name.startswith("calibration error")
            tolerance = TOLERANCE_ABSOLUTE + TOLERANCE_STANDARD_ERRORS * math.hypot(
                _standard_error(before, is_share), _standard_error(after, is_share)
            )
            agrees = abs(_unbiased(before) - _unbiased(after)) <= tolerance
            rows.append((name, before["value"], after["value"], tolerance, "yes" if agrees else "no"))
            all_agree = all_agree and agrees
    description = (
        f"Model card: {stored['cases']} phantoms; this run: {current['cases']}. Numbers agree if they differ by at "
        f"most {TOLERANCE_STANDARD_ERRORS:g} standard errors plus {TOLERANCE_ABSOLUTE:g}, after correcting for the "
        "bias that small samples add to a number (estimated by the bootstrap)."
    )
    columns = ("metric", "card", "this run", "tolerance", "agrees")
    return Table("agreement", "Agreement with the model card", description, columns, tuple(rows)), all_agree


def _is_undefined(metric: Mapping[str, Any]) -> bool:
    return metric["value"] is None or not metric["units"]


def _unbiased(metric: Mapping[str, Any]) -> float:
    """Return the value minus its bootstrap bias; a calibration error is too large if there are few cases."""
    return 2 * metric["value"] - (metric["low"] + metric["high"]) / 2


def _standard_error(metric: Mapping[str, Any], is_share: bool) -> float:
    """Return the standard error from the interval or, for a share and if that is larger, from the number of items.

    Resampled cases with hardly a miss give an interval that is too narrow.
    """
    resampled = (metric["high"] - metric["low"]) / (2 * 1.96)
    if not is_share:
        return resampled
    units = metric["units"] + 4
    share = (min(max(metric["value"], 0.0), 1.0) * metric["units"] + 2) / units
    return max(resampled, math.sqrt(share * (1 - share) / units))
