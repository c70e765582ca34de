"""Whether numbers measured again agree with those that were stored, within sampling error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from reg2rg.evaluation.tables import Cell, Table

ERRORS = 3.5
"""Standard errors that two measurements of the same model may lie apart: some thirty numbers are compared at once."""

SLACK = 0.005
"""What may differ besides: intervals from few cases are rough."""


def check_agreement(stored: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[Table, bool]:
    """Both as ``Results.as_dict`` gives them: a table of the headline numbers, and whether all agree.

    Where all cases are alike the number of units says how sure that is: 20 of 20 does not mean 100 of 100.
    """
    rows: list[tuple[Cell, ...]] = []
    for name, before in stored["measures"].items():
        after = now["measures"].get(name)
        if after is None:
            rows.append((name, before["value"], None, None, "no: it was not measured"))
        elif _unknown(before) or _unknown(after):
            rows.append((name, before["value"], after["value"], None, "nothing to compare"))
        else:
            allowed = SLACK + ERRORS * math.hypot(_error(before), _error(after))
            agrees = abs(_unbiased(before) - _unbiased(after)) <= allowed
            rows.append((name, before["value"], after["value"], allowed, "yes" if agrees else "no"))
    caption = (
        f"The card's numbers are of {stored['cases']} phantoms, those measured now of {now['cases']}. They agree if "
        f"they differ by no more than {ERRORS:g} standard errors, less what few cases add to a number (resampling)."
    )
    columns = ("measure", "card", "now", "may differ by", "agrees")
    return Table("agreement", "Agreement with the card", caption, columns, tuple(rows)), not any(
        str(row[-1]).startswith("no:") or row[-1] == "no" for row in rows
    )


def _unknown(measure: Mapping[str, float]) -> bool:
    return measure["value"] is None or not measure["units"]


def _unbiased(measure: Mapping[str, float]) -> float:
    """The value less what resampling adds to it: a calibration error is the larger, the fewer the cases."""
    return 2 * measure["value"] - (measure["low"] + measure["high"]) / 2


def _error(measure: Mapping[str, float]) -> float:
    """Standard error: from the interval, or where all cases are alike that of a share of so many units."""
    resampled = (measure["high"] - measure["low"]) / (2 * 1.96)
    units = measure["units"] + 4
    share = (min(max(measure["value"], 0.0), 1.0) * measure["units"] + 2) / units
    return resampled or math.sqrt(share * (1 - share) / units)
