"""Settings of third-party libraries, and workarounds for them.

Libraries print advice, warnings and progress bars, and look for updates online; :func:`configure_libraries` turns that
off and must run before they are imported. It also makes threads of torch wait differently: those of GNU OpenMP wait for
each other by spinning, for milliseconds unless ``GOMP_SPINCOUNT`` says otherwise. If another program needs a core, the
others then wait for a thread that does not run, and a report takes several times as long
(Testing/Benchmarks/busy_machine.py).

Package registries offer only CUDA builds of torchvision. With a CPU build of torch, torchvision's compiled operators
are missing, and its import fails when it registers them. transformers and TotalSegmentator import torchvision if it is
installed, although neither calls these operators here, so they fail as well. Declaring the operators' schemas first is
enough; :func:`declare_torchvision_ops` does this.

peft imports bitsandbytes if it is installed, which takes a second, although it is needed only for quantized models.
:func:`import_peft` hides it.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.util
import logging
import os
import sys
import warnings
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_ENVIRONMENT = {
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "GOMP_SPINCOUNT": "1000",  # turns of a loop; as fast as the default, 300,000, if nothing else runs
}

_M_ARENA_MAX = -8
"""Parameter of mallopt of the GNU C library (malloc.h): the largest number of arenas."""

_TORCHVISION_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_torchvision_library: torch.library.Library | None = None


def configure_libraries() -> None:
    """Silence third-party libraries, keep them offline, and let their threads wait without blocking a core.

    Programs call this once at startup, before they import the libraries. Environment variables that the user has set
    take precedence.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if sys.platform == "linux" and "MALLOC_ARENA_MAX" not in os.environ:
        with contextlib.suppress(AttributeError):  # another C library
            # By default, each thread has an arena of its own, and keeps what was freed in it.
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
    warnings.filterwarnings("ignore")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # logs advice on kernels and casts at every start
    # Logs a traceback when a request to a store breaks that nobody waits for.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)


def declare_torchvision_ops() -> None:
    """Declare the operators that a CUDA build of torchvision lacks when torch is a CPU build.

    Nothing happens if torch has CUDA, if torchvision is not installed, or if its operators are already registered.
    """
    global _torchvision_library
    import torch

    if _torchvision_library is not None or torch.version.cuda or importlib.util.find_spec("torchvision") is None:
        return
    if hasattr(torch.ops.torchvision, "nms"):
        return
    _torchvision_library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _TORCHVISION_SCHEMAS:
        _torchvision_library.define(schema)


def import_transformers() -> ModuleType:
    """Import and return transformers, with torchvision's operators declared first.

    transformers imports torchvision if it is installed, so it must be imported only through this function.
    """
    declare_torchvision_ops()
    return importlib.import_module("transformers")


def import_peft() -> ModuleType:
    """Import and return peft without bitsandbytes.

    peft looks for bitsandbytes to adapt layers that are quantized. Here, layers are quantized after they were adapted.
    """
    declare_torchvision_ops()
    if "bitsandbytes" in sys.modules:
        return importlib.import_module("peft")
    sys.modules["bitsandbytes"] = None  # type: ignore[assignment]  # importlib.util.find_spec does not find it
    try:
        return importlib.import_module("peft")
    finally:
        del sys.modules["bitsandbytes"]
