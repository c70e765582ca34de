"""Measure a model in each precision: memory compared with its estimate, time, and agreement with fp32.

    python Testing/Benchmarks/language_models.py FOLDER|LAYERS [TOKENS [REGIONS]]

LAYERS creates a model with random weights and that many layers of LLaMA-2-7B. Each precision runs in a process of its
own with one thread. Times are CPU times, so other load on the machine hardly changes them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

PRECISIONS = ("fp32", "bf16", "8bit", "4bit")
COLUMNS = ("precision", "load s", "load peak MB", "estimated MB", "peak MB", "450 tokens s", "token ms",
           "token, ten sequences ms", "same top token")  # fmt: skip


def main() -> None:
    """Measure each precision in a process of its own."""
    folder, tokens, regions = (*sys.argv[1:], *("30", "10")[len(sys.argv) - 2 :])
    print(" | ".join(COLUMNS), flush=True)
    with tempfile.TemporaryDirectory() as logits:
        if folder.isdecimal():
            folder = random_model(int(folder), Path(logits, "model"))
        for precision in PRECISIONS:
            subprocess.run([sys.executable, __file__, "one", folder, precision, tokens, regions, logits], check=True)


def random_model(layers: int, folder: Path) -> str:
    """Save a model with random weights and return its folder."""
    import torch

    from reg2rg.checkpoints.saving import save_model
    from reg2rg.models.config import LanguageConfig, ModelConfig
    from reg2rg.models.reg2rg import Reg2RG
    from reg2rg.training.tokenizers import train_tokenizer

    torch.set_default_dtype(torch.bfloat16)
    model = Reg2RG(ModelConfig(name="random", language=LanguageConfig(num_hidden_layers=layers)))
    model.tokenizer = train_tokenizer(["The region 0 is lung: Clear."] * 4, 200)
    save_model(model, folder, dtype=torch.bfloat16, card="# random\n")
    return str(folder)


def measure(folder: Path, precision: str, tokens: int, regions: int, logits: Path) -> None:
    """Measure one precision and print a table row.

    Args:
        folder: Model folder.
        precision: One of PRECISIONS.
        tokens: Maximum number of generated tokens.
        regions: Number of regions.
        logits: Folder that holds the logits of each precision.
    """
    import psutil
    import torch

    from reg2rg.runtime.third_party import configure_libraries

    configure_libraries()
    from reg2rg.checkpoints import ModelFolder
    from reg2rg.inference import ReportGenerator
    from reg2rg.inference.memory import ModelSize, Workload, memory_needed
    from reg2rg.preprocessing import ModelInputs
    from reg2rg.regions import REGION_NAMES

    torch.set_num_threads(1)
    opened = ModelFolder.open(folder)
    config = opened.config
    need = memory_needed(config, ModelSize.from_shapes(opened.read_shapes()), precision, Workload(regions, tokens))
    sizes, names = config.preprocessing, REGION_NAMES[:regions]
    textures = {name: torch.rand(sizes.texture_size) for name in names}
    masks = {name: torch.rand(sizes.mask_size) for name in names}
    inputs = ModelInputs(torch.rand(sizes.image_size), textures, masks, {})
    with PeakMemory(psutil.Process().memory_info) as peak:
        started = time.thread_time()
        model = opened.load(precision=precision)
        load_seconds, load_peak = time.thread_time() - started, peak.growth
        ReportGenerator(model).generate(inputs, max_new_tokens=tokens)
        whole_peak = peak.growth
    seconds, given = _language_model(model.lang_model)
    torch.save(given, logits / precision)
    exact = torch.load(logits / "fp32", weights_only=True)
    agreement = (given.argmax(-1) == exact.argmax(-1)).float().mean().item()
    prefill, one, ten = seconds
    print(
        f"{precision} | {load_seconds:.1f} | {load_peak / 1e6:.0f} | {need.total / 1e6:.0f} | {whole_peak / 1e6:.0f} | "
        f"{prefill:.2f} | {1e3 * one:.0f} | {1e3 * ten:.0f} | {agreement:.2f}",
        flush=True,
    )


class PeakMemory:
    """Context manager that records the peak growth of resident memory in bytes."""

    def __init__(self, memory_info: Callable[[], Any]) -> None:
        """Start from the current memory.

        Args:
            memory_info: Returns the memory of the process, as ``psutil.Process.memory_info`` does.
        """
        self._memory_info = memory_info
        self._before = self._highest = memory_info().rss
        self._done = threading.Event()

    @property
    def growth(self) -> int:
        """Peak growth so far."""
        return self._highest - self._before

    def __enter__(self) -> PeakMemory:
        """Start sampling."""
        threading.Thread(target=self._sample, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop sampling."""
        self._done.set()

    def _sample(self) -> None:
        while not self._done.wait(0.002):
            self._highest = max(self._highest, self._memory_info().rss)


def _language_model(model: PreTrainedModel) -> tuple[tuple[float, float, float], Tensor]:
    """Return the shortest times for reading 450 random tokens, for one token and for one token of ten sequences.

    Also returns the logits of the 450 tokens.
    """
    import torch

    ids = torch.randint(100, model.config.vocab_size, (1, 450), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        prefill = _best(lambda: model(ids, logits_to_keep=1), 3)
        steps = []
        for batch in (1, 10):
            cache = model(ids[:, :50].expand(batch, -1), use_cache=True, logits_to_keep=1).past_key_values
            last = ids[:, :1].expand(batch, -1)
            steps.append(_best(lambda last=last, cache=cache: model(last, past_key_values=cache, use_cache=True), 10))
        return (prefill, *steps), model(ids).logits[0].float()


def _best(work: Callable[[], object], repetitions: int) -> float:
    """Return the shortest CPU time in seconds."""
    times = []
    for _ in range(repetitions):
        started = time.thread_time()
        work()
        times.append(time.thread_time() - started)
    return min(times)


if __name__ == "__main__":
    if sys.argv[1] == "one":
        _, _, folder, precision, tokens, regions, logits = sys.argv
        measure(Path(folder), precision, int(tokens), int(regions), Path(logits))
    else:
        main()
