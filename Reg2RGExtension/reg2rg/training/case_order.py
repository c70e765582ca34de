"""The order of the training cases, which depends only on the seed and the epoch, not on the number of processes."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.utils.data import Sampler


class CaseOrder(Sampler[int]):
    """Positions in a list of cases, in another random order in each epoch."""

    def __init__(self, count: int, seed: int) -> None:
        """Create the order.

        Args:
            count: number of cases.
            seed: random seed.
        """
        self._count, self._seed = count, seed
        self._epoch = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed + self._epoch)
        yield from torch.randperm(self._count, generator=generator).tolist()

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order is returned from now on."""
        self._epoch = epoch
