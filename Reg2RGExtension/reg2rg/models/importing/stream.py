"""A safetensors file written block by block: eight bytes of length, a JSON header, then the tensors' bytes.

The library's own writer wants all tensors in memory at once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from reg2rg.models.importing.sources import DTYPES, Stored


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
