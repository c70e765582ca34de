"""The order of the training cases, which depends only on the seed and the epoch, not on the number of processes."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence

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


class ShardOrder(CaseOrder):
    """An order in which cases that lie together are read together.

    The shards are dealt out to streams in random order. Each stream goes through its shards in sequence, and shuffles
    only cases that lie near each other. Batches are taken from the streams in turn. If there are as many streams as
    worker processes in the whole training run, each of them reads its own shards.
    """

    def __init__(self, shards: Sequence[Sequence[int]], streams: int, buffer: int, batch_size: int, seed: int) -> None:
        """Create the order.

        Args:
            shards: positions of the cases in each shard, as they lie in it.
            streams: number of streams.
            buffer: number of cases from which a stream chooses the next one.
            batch_size: cases per batch.
            seed: random seed.
        """
        super().__init__(sum(map(len, shards)), seed)
        self._shards, self._streams, self._buffer, self._batch_size = shards, streams, buffer, batch_size

    def __iter__(self) -> Iterator[int]:
        rng = random.Random(f"{self._seed} {self._epoch}")
        shards = rng.sample(self._shards, len(self._shards))
        streams = [
            self._stream(shards[number :: self._streams], random.Random(rng.random()))
            for number in range(self._streams)
        ]
        while streams:
            for stream in list(streams):
                batch = list(itertools.islice(stream, self._batch_size))
                yield from batch
                if len(batch) < self._batch_size:
                    streams.remove(stream)

    def _stream(self, shards: Sequence[Sequence[int]], rng: random.Random) -> Iterator[int]:
        """Yield the cases of shards, each chosen from the next ones."""
        cases = itertools.chain.from_iterable(shards)
        buffer = list(itertools.islice(cases, self._buffer))
        while buffer:
            chosen = rng.randrange(len(buffer))
            yield buffer[chosen]
            buffer[chosen : chosen + 1] = itertools.islice(cases, 1)
