"""The text of a measurement's row, and the texts of measurements that are not given."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

if TYPE_CHECKING:
    from reg2rg.measurements import Measurement


LINE_MARK, STRUCTURE_MARK, CURRENT_MARK = "↔", "▣", "▸"
"""Precede a measurement that was taken along a line or from a structure, and the one that is shown in the views."""

NOT_GIVEN = "not given: "
"""Begins the text of a measurement without a value, and is said by the heading already."""


def rowHtml(measurement: Measurement, current: bool) -> str:
    """Return name, value, adjective with its cut-off, and reservations as HTML. The name is a link.

    Args:
        measurement: a measurement with a value.
        current: whether it is shown in the views.
    """
    mark = LINE_MARK if measurement.lines else STRUCTURE_MARK
    mark = f"{mark} {CURRENT_MARK}" if current else mark
    row = f'{mark} <a href="measurement">{html.escape(measurement.name)}</a>: <b>{html.escape(measurement.text)}</b>'
    if measurement.adjective is not None and measurement.cutoff is not None:
        meaning = _("{0} ({1})").format(measurement.adjective, measurement.cutoff)
        row += f", <b>{html.escape(meaning)}</b>"
    if measurement.reserved:
        reservations = _("interpret with caution: {0}").format(", ".join(measurement.reservations))
        row += f"<br><small>⚠ {html.escape(reservations)}</small>"
    return row


def notGivenHtml(missing: Sequence[Measurement], removed: Sequence[Measurement]) -> str:
    """Return the names of measurements that are not given, each with the reason, as HTML.

    Args:
        missing: measurements without a value.
        removed: measurements that were removed from the report.
    """
    lines = [f"{measurement.name}: {measurement.text.removeprefix(NOT_GIVEN)}" for measurement in missing]
    lines += [_("{0}: {1}, removed by the reviewer").format(each.name, each.text) for each in removed]
    return "<br>".join(f"<small>{html.escape(line)}</small>" for line in lines)
