"""Two threads for work that takes long. NumPy, SciPy, SimpleITK and torch let other threads run while they compute."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor


def two_threads() -> ThreadPoolExecutor:
    """Return two threads for a ``with`` block, which ends when their work is done.

    The result of each piece of work must be asked for, because this raises its error.
    """
    return ThreadPoolExecutor(2, thread_name_prefix="reg2rg")
