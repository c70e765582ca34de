"""Threads of a run: none of them goes on after the block that started it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from reg2rg.runtime.threads import two_threads


@pytest.fixture
def raised_interrupts() -> Iterator[None]:
    """Let SIGINT raise KeyboardInterrupt, as Python does by default; other tests may have left another handler."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, signal.default_int_handler if before is None else before)


@pytest.mark.usefixtures("raised_interrupts")
def test_work_has_ended_when_ctrl_c_ends_the_block_that_waits_for_it():
    finished: list[int] = []

    def work(number: int) -> None:
        time.sleep(1.0)
        finished.append(number)

    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt), two_threads() as pool:
        for number in range(4):
            pool.submit(work, number)
        timer.start()
    assert sorted(finished) == [0, 1], "what had begun has ended, and what had not was dropped"


def test_an_error_in_the_block_drops_the_work_that_has_not_begun():
    finished: list[int] = []

    def work(number: int) -> None:
        time.sleep(0.1)
        finished.append(number)

    with pytest.raises(ValueError, match="wrong"), two_threads() as pool:
        for number in range(10):
            pool.submit(work, number)
        raise ValueError("wrong")
    assert sorted(finished) == [0, 1]
