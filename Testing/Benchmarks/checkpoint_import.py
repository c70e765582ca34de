"""Measure `reg2rg models import` on a checkpoint of the published width: file size, seconds, peak memory.

The weights are random, and the number of language model layers can be chosen (32 are published: 13.7 GB, and the same
again for the model folder). The vocabulary has one word more than LLaMA's, so that any small tokenizer is accepted.
Linux only.

    python Testing/Benchmarks/checkpoint_import.py [--layers 2] [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

# Run the command and print the peak memory of its process. It is read from /proc because getrusage of a child includes
# the peak of the process that started it.
_COMMAND = """
import sys
from reg2rg.cli.main import main
try:
    main()
finally:
    print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=2, help="number of language model layers")
    parser.add_argument("--folder", type=Path, help="folder for temporary files")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        checkpoint = _make_checkpoint(folder, options.layers)
        arguments = ["models", "import", checkpoint, "-o", folder / "model", "--tokenizer", folder / "tokenizer"]
        started = time.perf_counter()
        command = [sys.executable, "-c", _COMMAND, *map(str, arguments)]
        finished = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        seconds = time.perf_counter() - started
        size, peak = checkpoint.stat().st_size / 1e9, int(finished.stdout.split()[-1]) * 1024 / 1e9
    print("| layers | file (GB) | seconds | peak RSS (GB) |\n|---|---|---|---|")
    print(f"| {options.layers} | {size:.2f} | {seconds:.1f} | {peak:.2f} |")


def _make_checkpoint(folder: Path, layers: int) -> Path:
    """Write a checkpoint like the authors'. All tensors are mapped from one file of noise to save memory."""
    import torch

    from reg2rg.checkpoints.assembly import TIED
    from reg2rg.models.config import ModelConfig
    from reg2rg.models.reg2rg import Reg2RG
    from reg2rg.training.tokenizers import train_tokenizer

    published = ModelConfig()
    config = replace(published, language=replace(published.language, num_hidden_layers=layers, vocab_size=32001))
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in Reg2RG(config).state_dict().items()}
    noise = folder / "noise"
    largest = max(shape.numel() for shape in shapes.values())
    noise.write_bytes(torch.randn(largest).bfloat16().view(torch.uint8).numpy().tobytes())
    state = {
        name: torch.from_file(str(noise), False, shape.numel(), dtype=torch.bfloat16).reshape(shape)
        for name, shape in shapes.items()
    }
    state[TIED] = state["lang_model.base_model.model.model.embed_tokens.weight"]
    torch.save(state, folder / "pytorch_model.bin")
    train_tokenizer(["The region 0 is lung: The lungs are clear."] * 4, 200).save_pretrained(folder / "tokenizer")
    return folder / "pytorch_model.bin"


if __name__ == "__main__":
    main()
