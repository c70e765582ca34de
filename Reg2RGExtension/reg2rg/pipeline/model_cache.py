"""The model that stays in memory from one report to the next, and where it was decided to run."""

from __future__ import annotations

import ctypes
import functools
import gc
import sys
from typing import TYPE_CHECKING

from reg2rg.checkpoints import ModelFolder

if TYPE_CHECKING:  # torch and transformers come only once a volume has been read
    from reg2rg.inference import ReportGenerator
    from reg2rg.inference.placement import Placement


@functools.lru_cache(maxsize=1)
def placed(folder: ModelFolder, device: str, precision: str, max_new_tokens: int, parallel: bool) -> Placement:
    """Kept as long as the model is: its own memory would speak against it the next time. Made for all ten regions."""
    from reg2rg.inference.placement import choices, place

    loaded.cache_clear()
    gc.collect()  # the layers of LoRA hold each other
    return place(folder.config, choices(device, precision), max_new_tokens=max_new_tokens, parallel=parallel)


@functools.lru_cache(maxsize=1)
def loaded(folder: ModelFolder, device: str, precision: str) -> ReportGenerator:
    """Kept for the next run of the same process, as long as the folder holds the same config and files."""
    from reg2rg.inference import ReportGenerator
    from reg2rg.inference.fusing import fold

    return ReportGenerator(fold(folder.load(device, precision)))


def free_memory() -> None:
    """Forget the model that is kept for the next run, and give its memory back."""
    loaded.cache_clear()
    placed.cache_clear()
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)  # what has been freed inside the C library's heap goes back to the system, too
