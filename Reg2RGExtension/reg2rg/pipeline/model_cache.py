"""The model that stays in memory from one report to the next."""

from __future__ import annotations

import ctypes
import gc
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # torch and transformers are imported only after a volume has been read
    from reg2rg.checkpoints import ModelFolder
    from reg2rg.inference import ReportGenerator
    from reg2rg.inference.memory import Workload
    from reg2rg.inference.placement import Placement


@dataclass(frozen=True)
class PlacementKey:
    """What a placement depends on.

    Attributes:
        folder: the model folder. A different config or different weights give a different key.
        device: device as requested, possibly "auto".
        precision: precision as requested, possibly "auto".
        workload: what the report requires of the model.
        backend: what generates the texts, "packed" or "vllm".
    """

    folder: ModelFolder
    device: str
    precision: str
    workload: Workload
    backend: str = "packed"


class ModelCache:
    """Holds one model and its placement.

    The placement is kept together with the model. Otherwise, the memory that the model already occupies would count
    against it in the next run.
    """

    def __init__(self) -> None:
        self._key: PlacementKey | None = None
        self._placement: Placement | None = None
        self._generator: ReportGenerator | None = None

    def place(self, key: PlacementKey) -> Placement:
        """Decide where and how the model will run, after releasing a cached model that has a different key.

        Raises:
            InputError: the model does not fit in memory.
        """
        if self._placement is None or key != self._key:
            from reg2rg.inference.memory import ModelSize
            from reg2rg.inference.placement import list_candidates, place

            self.clear()
            size = ModelSize.from_shapes(key.folder.read_shapes())
            candidates = list_candidates(key.device, key.precision, key.backend)
            self._placement = place(key.folder.config, size, candidates, key.workload)
            self._key = key
        return self._placement

    def load(self, key: PlacementKey) -> ReportGenerator:
        """Return the generator of a placed model, loading it if necessary."""
        placement = self.place(key)
        if self._generator is None:
            from reg2rg.inference import ReportGenerator
            from reg2rg.inference.fusing import fuse

            model = fuse(key.folder.load(placement.device, placement.precision))
            backend = None
            if key.backend == "vllm":
                from reg2rg.inference.vllm_backend import VllmBackend

                backend = VllmBackend(model, key.workload)
            self._generator = ReportGenerator(model, backend)
        return self._generator

    def clear(self) -> None:
        """Release the model and return its memory to the system."""
        self._key = self._placement = self._generator = None
        gc.collect()  # LoRA layers reference each other
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()
        if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
            trim(0)  # also return memory that was freed inside the C library's heap


MODEL_CACHE = ModelCache()
"""The cache of this process."""
