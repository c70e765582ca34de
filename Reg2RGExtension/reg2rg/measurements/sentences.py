"""Measured sentences: what a measurement says in words. Nothing that was not measured is called normal."""

from __future__ import annotations

from reg2rg.measurements.evidence import Evidence
from reg2rg.measurements.measurement import Measurement
from reg2rg.measurements.measures import MEASURES

NOT_ASSESSED = "Not assessed."
"""What a region's section says if nothing could be measured in it."""

MEANING = ", which is "
"""Follows a value that a published cut-off gives a name."""


def measured_sentence(measurement: Measurement) -> str | None:
    """Return a measurement as a sentence; None if it has no value, or nothing was found to measure."""
    if not measurement.value:
        return None
    return f"{measurement.name}: {measurement_words(measurement)}."


def measurement_words(measurement: Measurement) -> str:
    """Return a value with what it means and its reservations, such as "9.0%, which is emphysema by density (...)"."""
    words = measurement.text
    if measurement.adjective is not None:
        words += f"{MEANING}{measurement.adjective} ({measurement.cutoff})"
    if measurement.reserved:
        words += f" (interpret with caution: {', '.join(measurement.reservations)})"
    return words


def region_sentences(evidence: Evidence, region: str) -> tuple[str, ...]:
    """Return the measured sentences of a region's section; NOT_ASSESSED if there are none.

    Args:
        evidence: what was measured in the volume.
        region: name of the region.
    """
    sentences = [measured_sentence(m) for m in evidence.of(region) if MEASURES[m.measure].sentence]
    return tuple(sentence for sentence in sentences if sentence) or (NOT_ASSESSED,)
