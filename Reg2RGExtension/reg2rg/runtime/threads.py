"""Threads for work that takes long. NumPy, SciPy, SimpleITK and torch let other threads run while they compute."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, TypeVar

Result = TypeVar("Result")


class _Threads(ThreadPoolExecutor):
    """Threads whose work has ended when the block ends, also if Ctrl-C ends it while it waits for them.

    Work that goes on would read arrays whose memory belongs to images of the block, and crash the process.
    """

    def __init__(self, count: int) -> None:
        super().__init__(count, thread_name_prefix="reg2rg")
        self._work: list[Future[Any]] = []

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        work = super().submit(fn, *args, **kwargs)
        self._work.append(work)
        return work

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        interruption = None
        while True:
            try:
                if kind is not None or interruption is not None:
                    for work in self._work:
                        work.cancel()  # what has not begun
                wait(self._work)  # not for the threads: Python 3.11 takes one for ended if Ctrl-C interrupts its join
                self.shutdown()
                break
            except KeyboardInterrupt as interrupt:
                interruption = interrupt
        if interruption is not None:
            raise interruption


def threads(count: int) -> ThreadPoolExecutor:
    """Return threads for a ``with`` block, which ends when their work is done.

    The result of each piece of work must be asked for, because this raises its error. After an error or Ctrl-C, work
    that has not begun is dropped.
    """
    return _Threads(count)


def two_threads() -> ThreadPoolExecutor:
    """Return two threads, as ``threads`` does."""
    return threads(2)
