"""When a CT was acquired, for the interval between two CTs. Reports contain the interval, but no dates."""

from __future__ import annotations

import contextlib
import datetime

from reg2rg.volumes.dicom_folder import header_errors
from reg2rg.volumes.dicom_series import Series

_KEYWORDS = ("AcquisitionDate", "ContentDate", "SeriesDate", "StudyDate")


def acquisition_date(series: Series | None) -> datetime.date | None:
    """Return the date on which a DICOM series was acquired; None if it is unknown, or there is no series."""
    if series is None:
        return None
    for keyword in _KEYWORDS:
        try:
            text = str(series.header.get(keyword) or "")
        except header_errors():
            continue
        with contextlib.suppress(ValueError):
            return datetime.datetime.strptime(text, "%Y%m%d").date()
    return None
