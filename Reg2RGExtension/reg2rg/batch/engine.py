"""What writes the report folders of a batch: processes of this machine, or a cluster."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reg2rg.batch.places import Place, delete
from reg2rg.batch.run_case import Outcome
from reg2rg.batch.source import Case


@dataclass(frozen=True)
class Job:
    """A case that is under way.

    Attributes:
        case: the case.
        output: its report folder.
        folder: folder for what is prepared, which is removed when the case has ended.
    """

    case: Case
    output: Place
    folder: Place


class Engine(ABC):
    """Writes report folders. It knows nothing about other cases, and records nothing."""

    def __init__(self, work: Place) -> None:
        """Start nothing yet.

        Args:
            work: an existing folder for what is prepared.
        """
        self._work = work

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @abstractmethod
    def run(self, cases: Iterator[tuple[Case, Place]]) -> Iterator[tuple[Case, Outcome]]:
        """Write the report folders of cases, and yield each case as soon as it has ended.

        Args:
            cases: the cases with their report folders. The next one is asked for only when there is room for it.

        Raises:
            Reg2RGError: the engine cannot work at all.
        """

    def stop(self) -> None:
        """End what is under way at once, and remove what was prepared. The next case starts again."""
        self._end_work()
        for folder in self._work.iterdir() if isinstance(self._work, Path) else [self._work]:
            delete(folder)

    @abstractmethod
    def _end_work(self) -> None:
        """End what is under way at once."""
