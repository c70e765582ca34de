"""The processes that train one model together, one per GPU: those that torchrun or accelerate started, or only one.

They share the run folder and the prepared cases. What only needs to be done once is done by the main process.
"""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Iterator, Sequence
from typing import TypeVar

import torch

T = TypeVar("T")

_PATIENCE = datetime.timedelta(hours=6)
"""How long a process waits for the others. They prepare their shares of the cases at different speeds."""

_LOST = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "ncclRemoteError")
"""What the libraries gloo and NCCL call it when another process has ended."""


def divides_models() -> bool:
    """Return whether each process holds only a part of the model during a stage (FSDP)."""
    return os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"  # as accelerate does


def has_lost_another(error: RuntimeError) -> bool:
    """Return whether an error says that another process no longer answers."""
    return any(words in str(error) for words in _LOST)


class Processes:
    """The processes of a training run.

    Attributes:
        index: index of this process.
        count: number of processes.
        device: name of this process's device.
    """

    def __init__(self, device: str) -> None:
        """Join the other processes, if there are any.

        Args:
            device: name of the device. With several processes, "cuda" becomes the GPU of this one.
        """
        from accelerate import PartialState

        state = PartialState(cpu=torch.device(device).type == "cpu", timeout=_PATIENCE)
        self.index, self.count = state.process_index, state.num_processes
        self.device = str(state.device) if self.count > 1 else device

    @property
    def is_main(self) -> bool:
        """Whether this process does what only needs to be done once."""
        return self.index == 0

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """Return the items that are this process's share of the work."""
        return items[self.index :: self.count]

    def wait(self) -> None:
        """Wait until all processes get here."""
        self.gather(None)

    @contextlib.contextmanager
    def main_first(self) -> Iterator[None]:
        """Let the main process go through a block before the others do."""
        if not self.is_main:
            self.wait()
        yield
        if self.is_main:
            self.wait()

    def gather(self, value: T) -> list[T]:
        """Return the values of all processes; all of them must call this."""
        from accelerate.utils import gather_object

        return gather_object([value]) if self.count > 1 else [value]

    def leave(self) -> None:
        """Disconnect from the other processes."""
        from accelerate import PartialState

        PartialState().destroy_process_group()
