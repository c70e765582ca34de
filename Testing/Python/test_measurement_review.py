"""Measurements under review: moved lines, removed measurements, and volumes that are measured again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_measurements import conditions

from reg2rg.measurements import Condition, Evidence, Line, Measurement, is_editable, remeasured, reviewed, with_lines
from reg2rg.measurements.measures import EXACT_OUTLINES, MEASURES, MEDIUM_SLICES


def line_of(length: float) -> Line:
    return Line((10.0, 20.0, 30.0), (10.0 + length, 20.0, 30.0))


def measurement(measure: str, value: float | None, *lengths: float, **changes) -> Measurement:
    row = MEASURES[measure]
    plain = Measurement(
        measure=measure,
        region=row.region or "lung",
        label=row.label,
        part="",
        unit=row.unit,
        value=value,
        uncertainty=1.0,
        text="not given: not found" if value is None else row.format(value),
        adjective=None,
        cutoff=None,
        structures=(),
        lines=tuple(line_of(length) for length in lengths),
        conditions=(Condition(EXACT_OUTLINES, False, "outlines are estimated"),),
        source="",
    )
    return replace(plain, **changes)


def evidence(*measurements: Measurement) -> Evidence:
    return Evidence(conditions(), measurements)


AORTA = measurement("ascending_aorta", 35.0, 35.0)
TRUNK = measurement("pulmonary_artery", 28.0, 28.0)
RATIO = measurement("pulmonary_to_aorta", 0.8)


def test_a_moved_line_gives_the_value_its_cut_off_and_the_words_of_the_reviewer() -> None:
    moved = with_lines(AORTA, (line_of(42.4),))
    assert moved.value == pytest.approx(42.4) and moved.lines == (line_of(42.4),) and moved.uncertainty is None
    assert moved.text == "42 mm (measured by the reviewer)"
    assert (moved.adjective, moved.cutoff) == ("dilated", "40 mm and more")
    assert not moved.reserved, "how exact the outlines are no longer matters"


def test_other_conditions_still_hold_the_adjective_back() -> None:
    thick = replace(AORTA, conditions=(Condition(MEDIUM_SLICES, False, "slices are 8 mm apart"),))
    moved = with_lines(thick, (line_of(42.4),))
    assert moved.adjective is None and moved.reservations == ("slices are 8 mm apart",)


def test_a_finding_is_measured_by_the_mean_of_both_axes() -> None:
    nodule = measurement("finding_diameter", 10.0, 12.0, 8.0, part="lung nodule")
    moved = with_lines(nodule, (line_of(8.0), line_of(16.0)))
    assert moved.value == 12.0 and moved.text == "12 mm (16 x 8 mm, measured by the reviewer)"


def test_only_values_that_follow_from_their_lines_can_be_edited() -> None:
    assert is_editable(AORTA) and is_editable(measurement("finding_diameter", 10.0, 12.0, 8.0))
    assert not is_editable(RATIO) and not is_editable(measurement("ascending_aorta", None))
    assert not is_editable(measurement("vertebra_height", 20.0, 20.0, 21.0, 22.0)), "its value is one of three lines"


def test_a_ratio_follows_the_diameter_that_was_moved() -> None:
    changed = reviewed(evidence(AORTA, TRUNK, RATIO), (), {TRUNK.key: (line_of(35.0),)})
    assert changed.measurements[2].value == pytest.approx(1.0) and changed.measurements[0] == AORTA
    assert reviewed(evidence(AORTA, TRUNK, RATIO), (), {}) == evidence(AORTA, TRUNK, RATIO)


def test_a_removed_measurement_is_gone_whether_it_was_moved_or_not() -> None:
    assert reviewed(evidence(AORTA, TRUNK), {AORTA.key}, {AORTA.key: (line_of(9.0),)}) == evidence(TRUNK)


def test_measuring_again_replaces_values_and_keeps_what_only_the_first_run_could_measure() -> None:
    nodule = measurement("finding_diameter", 10.0, 12.0, 8.0, part="lung nodule")
    lobe = measurement("lung_volume", 900.0, part="right upper lobe")
    aorta, gone = replace(AORTA, value=36.0), measurement("pulmonary_artery", None)
    kept = remeasured(evidence(nodule, lobe, AORTA, TRUNK), evidence(aorta, gone), regions={"lung"})
    assert kept.measurements == (nodule, aorta, TRUNK), "of the corrected region, only findings are kept"
    assert remeasured(evidence(AORTA), evidence(gone), {"mediastinum"}).measurements == (gone,)
