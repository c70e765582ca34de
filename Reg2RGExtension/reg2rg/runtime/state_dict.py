"""Compare stored weights with what a model expects, by tensor name and shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reg2rg.errors import InputError

Shape = Sequence[int]

_SHOWN = 5


def list_misfits(expected: Mapping[str, Shape], given: Mapping[str, Shape]) -> list[str]:
    """List tensors that do not match.

    Args:
        expected: name -> shape of each tensor of the model.
        given: name -> shape of each stored tensor.

    Returns:
        One phrase per missing, unexpected or misshapen tensor.
    """
    misfits = [f"{name} is missing" for name in sorted(expected.keys() - given.keys())]
    misfits += [f"{name} is not part of the model" for name in sorted(given.keys() - expected.keys())]
    misfits += [
        f"{name} has shape {tuple(given[name])}, expected {tuple(expected[name])}"
        for name in sorted(expected.keys() & given.keys())
        if tuple(given[name]) != tuple(expected[name])
    ]
    return misfits


def refuse_misfits(misfits: Sequence[str], *, weights: str = "The weights", see_all: str = "") -> None:
    """Raise InputError with the first few misfits if there are any.

    Args:
        misfits: the result of list_misfits.
        weights: what the weights are called in the message.
        see_all: how to see the others, appended to their number.
    """
    if misfits:
        more = f" and {len(misfits) - _SHOWN} more{see_all}" if len(misfits) > _SHOWN else ""
        raise InputError(f"{weights} do not match the model's config: {'; '.join(misfits[:_SHOWN])}{more}.")
