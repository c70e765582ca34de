"""How long reviewers took for each section, from the log of their review.

The log contains the time of each change. The time between two changes is counted for the section of the later one. A
longer pause, and the time before the first change, when the report may have waited for its reviewer, are not counted.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from reg2rg.report import Report

PAUSE_SECONDS = 300.0
"""After this long without a change, the reviewer has done something else."""

_NOT_ABOUT_A_SECTION = {"accept-all"}
"""Actions whose region says only where the cursor goes."""


def section_seconds(report: Report) -> dict[str, float]:
    """Return the seconds that the reviewer took for each section that has any.

    Args:
        report: a report; without a review, nothing is returned.
    """
    seconds: dict[str, float] = defaultdict(float)
    log = report.review.log if report.review is not None else ()
    for before, change in zip(log, log[1:], strict=False):
        passed = (_time(change.time) - _time(before.time)).total_seconds()
        if change.region and change.action not in _NOT_ABOUT_A_SECTION and 0 <= passed <= PAUSE_SECONDS:
            seconds[change.region] += passed
    return dict(seconds)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
