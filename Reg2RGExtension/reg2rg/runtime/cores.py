"""How busy processes share the cores."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


def threads_of_each(processes: int) -> int:
    """Return how many threads each of several busy processes should have: together, no more than there are cores.

    A user who has set ``OMP_NUM_THREADS`` has decided this already.
    """
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdecimal() and int(given) else max(1, (os.cpu_count() or 1) // processes)


@contextlib.contextmanager
def limited_torch_threads(threads: int) -> Iterator[None]:
    """Let torch use so many threads in a ``with`` block.

    The threads of torch wait for each other by spinning. Where other processes need the cores, this takes more of them
    than the threads gain.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
