"""List, read and write the tensors of checkpoint files, using little memory and without running code from the files.

PyTorch files are read by torch's ``weights_only`` unpickler, which creates tensors and plain containers only. Files are
mapped into memory. A page of a mapped file counts toward this process's memory once it has been read, so files are
remapped every few dozen megabytes. Memory use does not grow with the size of the checkpoint.
"""

from __future__ import annotations

import hashlib
import json
import math
import pickle
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from reg2rg.errors import InputError

DTYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
"""Supported types of weights -> their names in safetensors files."""

_REMAP_BYTES = 64 << 20
"""Number of bytes read before a file is mapped again."""

_BLOCK_ELEMENTS = 8 << 20
"""Approximate number of elements per block."""

_INDEX_SUFFIX = ".index.json"


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in a file.

    Attributes:
        file: the file.
        name: the tensor's name in the file.
        shape: the tensor's shape.
        dtype: the tensor's type.
    """

    file: Path
    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def num_bytes(self) -> int:
        """Size of the tensor in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


def list_tensors(checkpoint: Path) -> list[StoredTensor]:
    """List the tensors of a checkpoint.

    Args:
        checkpoint: a PyTorch or safetensors file, or the index of a sharded one (``*.index.json``).

    Returns:
        The tensors.

    Raises:
        InputError: a file is missing, damaged, or contains anything but weights.
    """
    return [tensor for file in _list_shards(checkpoint) for tensor in _list_file(file)]


def read_blocks(wanted: Iterable[StoredTensor]) -> Iterator[Tensor]:
    """Read tensors one after another, a few rows at a time.

    Args:
        wanted: the tensors to read.

    Yields:
        Blocks of rows. A block is valid only until the next one is requested.
    """
    file: Path | None = None
    mapped: dict[str, Any] = {}
    bytes_read = 0
    for tensor in wanted:
        rows = max(1, _BLOCK_ELEMENTS // math.prod(tensor.shape[1:]))
        for first in range(0, tensor.shape[0], rows):
            if tensor.file != file or bytes_read > _REMAP_BYTES:
                file, mapped, bytes_read = tensor.file, _map_file(tensor.file), 0
            block = mapped[tensor.name][first : first + rows]
            yield block
            bytes_read += block.nbytes


def equal_values(first: StoredTensor, second: StoredTensor) -> bool:
    """Return whether two tensors have the same shape and values, regardless of their types."""
    pairs = zip(read_blocks([first]), read_blocks([second]), strict=True)
    return first.shape == second.shape and all(torch.equal(a.float(), b.float()) for a, b in pairs)


def write_safetensors(
    path: Path, layout: Mapping[str, StoredTensor], blocks: Iterable[Tensor], on_written: Callable[[int], None]
) -> str:
    """Write a safetensors file block by block.

    Args:
        path: the file to write.
        layout: name -> tensor, in the order of writing.
        blocks: the rows of these tensors, in the same order.
        on_written: called after each block with its number of bytes.

    Returns:
        SHA-256 of the file.
    """
    digest = hashlib.sha256()
    header = _make_header(layout)
    with path.open("wb") as file:

        def write(data: bytes | memoryview) -> None:
            digest.update(data)
            file.write(data)

        write(len(header).to_bytes(8, "little"))
        write(header)
        for block in blocks:
            data = block.contiguous().reshape(-1).view(torch.uint8).numpy().data
            write(data)
            on_written(data.nbytes)
    return digest.hexdigest()


def _make_header(layout: Mapping[str, StoredTensor]) -> bytes:
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    begin = 0
    for name, tensor in layout.items():
        end = begin + tensor.num_bytes
        entries[name] = {"dtype": DTYPES[tensor.dtype], "shape": tensor.shape, "data_offsets": [begin, end]}
        begin = end
    header = json.dumps(entries, separators=(",", ":")).encode()
    return header + b" " * (-len(header) % 8)  # aligns the data to 8 bytes


def _list_shards(checkpoint: Path) -> list[Path]:
    if not checkpoint.is_file():
        problem = "is a folder; pass its files instead" if checkpoint.is_dir() else "does not exist"
        raise InputError(
            f"{checkpoint} {problem}. Expected a .bin, .pth, .pt or .safetensors file, or *{_INDEX_SUFFIX}."
        )
    if not checkpoint.name.endswith(_INDEX_SUFFIX):
        return [checkpoint]
    try:
        names = sorted(set(json.loads(checkpoint.read_text())["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise InputError(f"{checkpoint} is not the index of a sharded checkpoint (it has no weight_map).") from error
    shards = [checkpoint.parent / Path(name).name for name in names]  # never outside the index's folder
    missing = [shard.name for shard in shards if not shard.is_file()]
    if missing:
        raise InputError(f"{checkpoint.parent} lacks files listed in {checkpoint.name}: {', '.join(missing)}.")
    return shards


def _list_file(file: Path) -> list[StoredTensor]:
    tensors = _map_file(file)
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise InputError(f"{file} contains {name} of type {type(tensor).__name__}; expected tensors only.")
        if tensor.dtype not in DTYPES or tensor.layout != torch.strided or tensor.device.type != "cpu":
            dtype = str(tensor.dtype).removeprefix("torch.")
            raise InputError(
                f"{file}: {name} is {dtype}, {tensor.layout}, on {tensor.device}; expected dense float32, float16 or "
                "bfloat16 weights. Quantized checkpoints are not supported."
            )
    return [StoredTensor(file, name, tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()]


def _map_file(file: Path) -> dict[str, Any]:
    """Map a file into memory and return name -> value; names in nested dictionaries are joined by dots."""
    if file.suffix == ".safetensors":
        try:
            return load_file(file)  # also mapped
        except SafetensorError as error:
            raise InputError(f"{file} is not a valid safetensors file ({error}).") from error
    _check_format(file)
    try:
        content = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{file} was refused: it contains more than weights{_name_culprit(error)}, which could run code when "
            "loaded. Nothing in it was run. Ask its authors for a file that contains only the state dict."
        ) from error
    except RuntimeError as error:
        raise InputError(f"{file} is damaged or incomplete; copy or download it again.") from error
    if not isinstance(content, Mapping):
        raise InputError(f"{file} contains a {type(content).__name__}; expected a state dict of named tensors.")
    return dict(_flatten(content))


def _check_format(file: Path) -> None:
    """Refuse anything but a zip archive, PyTorch's format since 1.6 and the only one that can be mapped."""
    with file.open("rb") as opened:
        begin = opened.read(16)
    if begin == b"version https://":
        raise InputError(f"{file} is a Git LFS pointer, not the file itself; download it with `git lfs pull`.")
    if begin.startswith(b"PK"):
        if zipfile.is_zipfile(file):
            return
        raise InputError(f"{file} is damaged or incomplete; copy or download it again.")
    raise InputError(
        f"{file} is not a checkpoint of PyTorch 1.6 or later. To convert an older one: "
        "python -c \"import torch; torch.save(torch.load('OLD', weights_only=True), 'NEW')\"."
    )


def _name_culprit(error: Exception) -> str:
    """Return the first object that weights_only refused, as named in torch's message."""
    named = re.search(r"GLOBAL ([\w.]+)", str(error))
    return f" ({named[1]})" if named else ""


def _flatten(content: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value.detach() if isinstance(value, Tensor) else value
