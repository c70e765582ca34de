"""The tensors of checkpoint files, mapped into memory and never executed.

PyTorch files are read with its ``weights_only`` unpickler, which makes tensors and plain containers and refuses all
else. A page of a mapped file counts as this process's memory once it has been read, so a file is mapped anew every few
hundred megabytes: memory in use stays near that, whatever the size of the checkpoint.
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


def write_safetensors(
    path: Path, layout: Mapping[str, Stored], blocks: Iterable[Tensor], progress: Callable[[int], None]
) -> str:
    """Write tensors under the names of ``layout``, whose rows come in its order, block by block.

    ``progress`` is told the bytes of each block.

    Returns:
        SHA-256 of the file.
    """
    digest = hashlib.sha256()
    with path.open("wb") as file:

        def write(data: bytes | memoryview) -> None:
            digest.update(data)
            file.write(data)

        header = _header(layout)
        write(len(header).to_bytes(8, "little"))
        write(header)
        for block in blocks:
            data = block.contiguous().reshape(-1).view(torch.uint8).numpy().data
            write(data)
            progress(data.nbytes)
    return digest.hexdigest()


def _header(layout: Mapping[str, Stored]) -> bytes:
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    begin = 0
    for name, stored in layout.items():
        end = begin + stored.bytes
        entries[name] = {"dtype": DTYPES[stored.dtype], "shape": stored.shape, "data_offsets": [begin, end]}
        begin = end
    header = json.dumps(entries, separators=(",", ":")).encode()
    return header + b" " * (-len(header) % 8)  # so that the data is aligned


DTYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
"""Types that weights may have, and what safetensors calls them."""

_WINDOW = 64 << 20  # bytes read before a file is mapped anew
_BLOCK = 8 << 20  # elements of one block

_INDEX = ".index.json"


@dataclass(frozen=True)
class Stored:
    """A tensor as it lies in a file, under the file's own name for it."""

    file: Path
    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def bytes(self) -> int:
        return torch.Size(self.shape).numel() * self.dtype.itemsize


def list_stored(checkpoint: Path) -> list[Stored]:
    """What a checkpoint holds: a PyTorch or safetensors file, or the index of a sharded one (``*.index.json``).

    InputError says what is wrong with the file, in one line.
    """
    return [stored for file in _shards(checkpoint) for stored in _list_file(file)]


def read_blocks(wanted: Iterable[Stored]) -> Iterator[Tensor]:
    """The tensors in turn, some rows at a time; each block is to be used before the next is asked for."""
    file, mapped, read = None, {}, 0
    for stored in wanted:
        rows = max(1, _BLOCK // math.prod(stored.shape[1:]))
        for begin in range(0, stored.shape[0], rows):
            if stored.file != file or read > _WINDOW:
                file, mapped, read = stored.file, _map(stored.file), 0
            block = mapped[stored.name][begin : begin + rows]
            yield block
            read += block.nbytes


def same_values(one: Stored, other: Stored) -> bool:
    """Whether two tensors hold the same numbers."""
    pairs = zip(read_blocks([one]), read_blocks([other]), strict=True)
    return one.shape == other.shape and all(torch.equal(a.float(), b.float()) for a, b in pairs)


def _shards(checkpoint: Path) -> list[Path]:
    if not checkpoint.is_file():
        what = "is a folder; name its files" if checkpoint.is_dir() else "does not exist"
        raise InputError(f"{checkpoint} {what}: a checkpoint is a .bin, .pth, .pt or .safetensors file, or *{_INDEX}.")
    if not checkpoint.name.endswith(_INDEX):
        return [checkpoint]
    try:
        names = sorted(set(json.loads(checkpoint.read_text())["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise InputError(f"{checkpoint} is not the index of a sharded checkpoint (no weight_map).") from error
    shards = [checkpoint.parent / Path(name).name for name in names]  # beside the index, whatever it says
    missing = [shard.name for shard in shards if not shard.is_file()]
    if missing:
        raise InputError(f"{checkpoint.parent} lacks files that {checkpoint.name} lists: {', '.join(missing)}.")
    return shards


def _list_file(file: Path) -> list[Stored]:
    tensors = _map(file)
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise InputError(f"{file} holds {name}, a {type(tensor).__name__}; expected tensors only.")
        if tensor.dtype not in DTYPES or tensor.layout != torch.strided or tensor.device.type != "cpu":
            kind = str(tensor.dtype).removeprefix("torch.")
            raise InputError(
                f"{file}: {name} is {kind}, {tensor.layout}, on {tensor.device}; expected plain float32, float16 or "
                "bfloat16 weights. Quantised checkpoints cannot be imported."
            )
    return [Stored(file, name, tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()]


def _map(file: Path) -> dict[str, Any]:
    """Name -> tensor (or what else is there), nested dictionaries joined by dots."""
    if file.suffix == ".safetensors":
        try:
            return load_file(file)  # mapped, too
        except SafetensorError as error:
            raise InputError(f"{file} is not a readable safetensors file ({error}).") from error
    _check_zip(file)
    try:
        content = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{file} is refused: it holds more than weights{_culprit(error)}, which could run code when loaded. "
            "Nothing in it was run. Ask for a file that holds the state dict alone."
        ) from error
    except RuntimeError as error:
        raise InputError(f"{file} is damaged or incomplete; copy or fetch it again.") from error
    if not isinstance(content, Mapping):
        raise InputError(f"{file} holds a {type(content).__name__}; expected a state dict: names and their tensors.")
    return dict(_flat(content))


def _check_zip(file: Path) -> None:
    """PyTorch's format since 1.6 is a zip archive, the only one that can be mapped; older and other files are not."""
    with file.open("rb") as opened:
        begin = opened.read(16)
    if begin.startswith(b"version https://"[:16]):
        raise InputError(f"{file} is a Git LFS pointer, not the file itself; fetch it with `git lfs pull`.")
    if begin.startswith(b"PK") and zipfile.is_zipfile(file):
        return
    if begin.startswith(b"PK"):
        raise InputError(f"{file} is damaged or incomplete; copy or fetch it again.")
    raise InputError(
        f"{file} is no checkpoint of PyTorch 1.6 or later. If it is an older one, store it anew: "
        "python -c \"import torch; torch.save(torch.load('OLD', weights_only=True), 'NEW')\"."
    )


def _culprit(error: Exception) -> str:
    """The first thing that weights_only would not have, as torch's message names it."""
    named = re.search(r"GLOBAL ([\w.]+)", str(error))
    return f" ({named[1]})" if named else ""


def _flat(content: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value.detach() if isinstance(value, Tensor) else value
