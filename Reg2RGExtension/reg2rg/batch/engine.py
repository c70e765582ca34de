"""What writes the report folders of a batch: processes of this machine, or a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

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
    output: Path
    folder: Path


class Engine(Protocol):
    """Writes report folders. It knows nothing about other cases, and records nothing."""

    def __enter__(self) -> Engine: ...

    def __exit__(self, *error: object) -> None: ...

    def run(self, cases: Iterator[tuple[Case, Path]]) -> Iterator[tuple[Case, Outcome]]:
        """Write the report folders of cases, and yield each case as soon as it has ended.

        Args:
            cases: the cases with their report folders. The next one is asked for only when there is room for it.
        """
        ...

    def stop(self) -> None:
        """End what is under way at once, and remove what was prepared. The next case starts again."""
        ...
