"""Read a safetensors file: the shapes of its tensors from its header, without torch, or one tensor at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from reg2rg.checkpoints.legacy import upgrade_tensor_name
from reg2rg.errors import InputError
from reg2rg.runtime.state_dict import Shape

if TYPE_CHECKING:
    from torch import Tensor


def read_shapes(path: Path) -> dict[str, Shape]:
    """Read the shapes of a safetensors file's tensors.

    Args:
        path: the file.

    Returns:
        Tensor name -> shape. Names from earlier versions are translated to current ones.

    Raises:
        InputError: the file is not a valid safetensors file.
    """
    return {upgrade_tensor_name(name): shape for name, shape in _stored_shapes(path).items()}


def open_weights(path: Path) -> tuple[dict[str, Shape], Callable[[str], Tensor]]:
    """Open a safetensors file.

    Args:
        path: the file.

    Returns:
        Tensor name -> shape as from ``read_shapes``, and a function that reads one tensor by name. The file is reopened
        for each tensor, because pages read through a mapping count toward this process's memory until the mapping is
        closed.

    Raises:
        InputError: the file is not a valid safetensors file.
    """
    shapes = _stored_shapes(path)
    stored_names = {upgrade_tensor_name(name): name for name in shapes}

    def read(name: str) -> Tensor:
        with safe_open(path, "pt") as file:
            return file.get_tensor(stored_names[name])

    return {name: shapes[stored] for name, stored in stored_names.items()}, read


def _stored_shapes(path: Path) -> dict[str, Shape]:
    try:
        with safe_open(path, "np") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}
    except SafetensorError as error:
        raise InputError(f"{path} is not a valid safetensors file ({error}).") from error
