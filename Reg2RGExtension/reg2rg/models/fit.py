"""Whether given tensors are those that a model expects: every one that is missing, extra or misshapen, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reg2rg.errors import InputError

Shape = Sequence[int]

_SHOWN = 5


def list_misfits(expected: Mapping[str, Shape], given: Mapping[str, Shape]) -> list[str]:
    """One phrase for each tensor that does not fit, from name -> shape of both; empty if all do."""
    misfits = [f"{name} is missing" for name in sorted(expected.keys() - given.keys())]
    misfits += [f"{name} is not part of the model" for name in sorted(given.keys() - expected.keys())]
    misfits += [
        f"{name} has shape {tuple(given[name])}, expected {tuple(expected[name])}"
        for name in sorted(expected.keys() & given.keys())
        if tuple(given[name]) != tuple(expected[name])
    ]
    return misfits


def refuse_misfits(misfits: Sequence[str], *, see_all: str = "") -> None:
    """InputError with the first few if there are any; ``see_all`` says how to see the rest."""
    if misfits:
        more = f" and {len(misfits) - _SHOWN} more{see_all}" if len(misfits) > _SHOWN else ""
        raise InputError(f"The weights do not fit the model's config: {'; '.join(misfits[:_SHOWN])}{more}.")
