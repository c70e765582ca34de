"""The simulation of a batch follows its queues: what is slowest decides, and nothing starts before there is room."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def scaling(repository: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the benchmark, Testing/Benchmarks/scaling.py."""
    monkeypatch.syspath_prepend(repository / "Testing" / "Benchmarks")
    import scaling

    return scaling


def test_one_case_takes_the_sum_of_its_stages(scaling) -> None:
    assert scaling.simulate([scaling.CaseTimes(3, 2)], preparers=1) == [5]


def test_stages_of_different_cases_overlap(scaling) -> None:
    assert scaling.simulate([scaling.CaseTimes(3, 2)] * 3, preparers=1) == [5, 8, 11], "preparing is slower and decides"
    assert scaling.simulate([scaling.CaseTimes(1, 2)] * 3, preparers=1) == [3, 5, 7], "writing is slower and decides"


def test_more_processes_prepare_at_the_same_time(scaling) -> None:
    assert scaling.simulate([scaling.CaseTimes(4, 1)] * 4, preparers=2) == [5, 6, 9, 10]


def test_preparing_waits_until_there_is_room(scaling) -> None:
    cases = [scaling.CaseTimes(1, 10), scaling.CaseTimes(1, 10), scaling.CaseTimes(1, 10), scaling.CaseTimes(30, 1)]
    # Two cases may be under way besides the one that is written: the last one starts at 21, when the third is written.
    assert scaling.simulate(cases, preparers=1) == [11, 21, 31, 42]


def test_a_case_does_not_start_before_it_arrives(scaling) -> None:
    assert scaling.simulate([scaling.CaseTimes(1, 1, arrival=100)], preparers=1) == [102]


def test_a_day_has_the_given_number_of_cts_in_order(scaling) -> None:
    times = scaling.hospital_day(300)
    assert len(times) == 300 and times == sorted(times) and 0 <= times[0] and times[-1] < 86_400
    assert sum(8 * 3600 <= time < 18 * 3600 for time in times) >= 240
