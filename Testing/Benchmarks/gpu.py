"""Every check that needs a GPU in one run of under eight minutes: one JSON file and a table.

    python Testing/Benchmarks/gpu.py [-o out/gpu.json] [--check NAME ...] [--miniature]

The models have the published shapes (LLaMA-2-7B) and random weights, so nothing is downloaded. Each check runs in a
process of its own, which is stopped at its time limit; what it had measured by then is kept. --miniature runs the same
code with tiny shapes on the CPU, in this process and within seconds. Its numbers mean nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import importlib.util
import json
import math
import platform
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from reg2rg.checkpoints.assembly import assemble, empty_model, expected_shapes
from reg2rg.inference.backend import DecodingBackend, Prompt, TextState
from reg2rg.inference.encoding import FeatureEncoder
from reg2rg.inference.fusing import fuse
from reg2rg.inference.memory import Workload, prompt_tokens
from reg2rg.inference.packed_backend import PackedBackend
from reg2rg.models.config import LanguageConfig, ModelConfig, PreprocessingConfig, VisionConfig
from reg2rg.models.precision import QUANTIZED, can_quantize
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.regions import REGION_NAMES
from reg2rg.runtime.versions import versions

Emit = Callable[[str, Any], None]
"""Stores one measured value under a name."""


class Skipped(Exception):
    """A check cannot run here; the message says why."""


@dataclasses.dataclass(frozen=True)
class Scale:
    """What is measured, and where.

    Attributes:
        device: torch device.
        precision: precision of the language model, unless a check has its own.
        config: the model.
        tokens: tokens per text.
        buffer: bytes of the buffers that the bandwidth is measured with.
        voxels: size of the CT.
    """

    device: str
    precision: str
    config: ModelConfig
    tokens: int
    buffer: int
    voxels: tuple[int, int, int]


_CROP = (16, 16, 16)
_VISION = VisionConfig(_CROP, (8, 8, 8), 1, 24, 1, 2, 8, 32, positions="sine")
_LANGUAGE = LanguageConfig(
    vocab_size=256, hidden_size=128, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
    num_key_value_heads=2, max_position_embeddings=2048,
)  # fmt: skip
_SIZES = PreprocessingConfig(_CROP, _CROP, _CROP)
_TINY = ModelConfig(name="tiny", preprocessing=_SIZES, vision=_VISION, mask=_VISION, language=_LANGUAGE)
FULL = Scale("cuda", "bf16", ModelConfig(name="llama2-7b"), 64, 4 * 2**30, (512, 512, 300))
MINIATURE = Scale("cpu", "fp32", _TINY, 4, 2**20, (48, 40, 32))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks, and return 1 if one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("out/gpu.json"), help="JSON file to write")
    parser.add_argument("--check", nargs="+", choices=CHECKS, default=list(CHECKS), help="only these checks")
    parser.add_argument("--miniature", action="store_true", help="tiny shapes on the CPU")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)  # the process of one check
    options = parser.parse_args(arguments)
    if options.here:
        CHECKS[options.check[0]][0](FULL, lambda name, value: print(json.dumps([name, value]), flush=True))
        return 0
    if not options.miniature and not torch.cuda.is_available():
        parser.error("this machine has no NVIDIA GPU that torch can use; --miniature runs on the CPU")
    started = time.perf_counter()
    results = {}
    for name in options.check:
        check, limit = CHECKS[name]
        command = [sys.executable, __file__, "--here", "--check", name]
        results[name] = run_here(check) if options.miniature else run_apart(command, limit)
        print(f"{name}: {results[name]['state']}, {results[name]['seconds']} s", file=sys.stderr, flush=True)
    derive(results)
    machine = {"gpu": None if options.miniature else torch.cuda.get_device_name(), "cpu": platform.processor()}
    found = {"machine": machine, "versions": versions(), "seconds": round(time.perf_counter() - started, 1)}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps({**found, "checks": results}, indent=2) + "\n")
    print(table(results))
    return int(any(result["state"].startswith("failed") for result in results.values()))


def run_apart(command: Sequence[str], limit: float) -> dict[str, Any]:
    """Run a check in a process of its own, and return what it measured within its time limit."""
    started = time.perf_counter()
    # Files instead of pipes, which helpers of a library could keep open.
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        try:
            returned = subprocess.run(command, stdout=stdout, stderr=stderr, timeout=limit).returncode
            state = "done" if returned == 0 else f"failed: exit code {returned}"
        except subprocess.TimeoutExpired:
            state = f"stopped at its limit of {limit} s"
        stdout.seek(0), stderr.seek(0)
        output, errors = (file.read().decode(errors="replace").strip().splitlines() for file in (stdout, stderr))
    if state.startswith("failed") and errors:
        state += f", {errors[-1]}"
    values: dict[str, Any] = {}
    for line in output:
        # Others are what libraries print, or the line during which a process was stopped.
        with contextlib.suppress(TypeError, ValueError):
            name, value = json.loads(line)
            values[name] = value
    state = values.pop("state", state)
    return {"state": state, "seconds": round(time.perf_counter() - started, 1), **values}


def run_here(check: Callable[[Scale, Emit], None]) -> dict[str, Any]:
    """Run a check in miniature in this process."""
    started, values = time.perf_counter(), {"state": "done"}
    check(MINIATURE, values.__setitem__)
    return {"seconds": round(time.perf_counter() - started, 1), **values}


# --- checks ----------------------------------------------------------------------------------------------------------


def _stated(check: Callable[..., None]) -> Callable[..., None]:
    """Turn what a check raises into its state. The last line on stderr may be a warning of a library."""

    @functools.wraps(check)
    def wrapped(scale: Scale, emit: Emit, **options: str) -> None:
        try:
            with torch.inference_mode():
                check(scale, emit, **options)
        except Skipped as reason:
            emit("state", f"skipped: {reason}")
        except Exception as error:
            traceback.print_exc()
            emit("state", f"failed: {type(error).__name__}: {' '.join(str(error).split())}")

    return wrapped


@_stated
def bandwidth(scale: Scale, emit: Emit) -> None:
    """Measure the memory bandwidth: copying a buffer, and reading a matrix for a product with a vector."""
    source = torch.empty(scale.buffer, dtype=torch.uint8, device=scale.device)
    target = torch.empty_like(source)
    emit("copy GB/s", 2 * scale.buffer / _best_seconds(scale, lambda: target.copy_(source)) / 1e9)
    columns = 1024
    matrix = torch.ones(scale.buffer // 2 // columns, columns, dtype=torch.bfloat16, device=scale.device)
    vector = torch.ones(columns, dtype=torch.bfloat16, device=scale.device)
    emit("matrix-vector GB/s", scale.buffer / _best_seconds(scale, lambda: matrix @ vector) / 1e9)


@_stated
def packed(scale: Scale, emit: Emit, precision: str = "") -> None:
    """Measure the packed backend."""
    if precision in QUANTIZED and not can_quantize():
        raise Skipped("bitsandbytes is not installed")
    model = _loaded(scale, emit, precision or scale.precision)
    _measure(scale, emit, model, PackedBackend(model))


@_stated
def vllm(scale: Scale, emit: Emit) -> None:
    """Measure the vLLM backend."""
    if importlib.util.find_spec("vllm") is None or scale.device == "cpu":
        raise Skipped("requires vLLM and a GPU")
    from reg2rg.inference.vllm_backend import VllmBackend

    model = _loaded(scale, emit, scale.precision)
    started = time.perf_counter()
    backend = VllmBackend(model, Workload(max_new_tokens=scale.tokens, parallel=True))
    emit("start vLLM s", time.perf_counter() - started)
    _measure(scale, emit, model, backend)


@_stated
def generate(scale: Scale, emit: Emit) -> None:
    """Measure one sequence with transformers' generate."""
    model = _loaded(scale, emit, scale.precision)
    (text,) = _texts(scale, model, 1)
    embeddings = torch.cat([text.prompt.embeddings, model.embed_words(text.start_ids)])[None]
    options = {"do_sample": False, "eos_token_id": None, "pad_token_id": 0, "return_dict_in_generate": True}

    def run(tokens: int) -> Any:
        options.update(max_new_tokens=tokens, min_new_tokens=tokens, output_logits=True)
        return model.lang_model.generate(inputs_embeds=embeddings, **options)

    run(2)
    first, whole = _seconds(scale, lambda: run(1)), time.perf_counter()
    generated = run(scale.tokens)
    ids = generated.sequences[0].tolist()
    whole = time.perf_counter() - whole
    emit("prompt s", first)
    emit("one sequence tokens/s", (scale.tokens - 1) / max(whole - first, 1e-9))
    emit("ids", ids)
    logits = torch.cat(generated.logits).float().log_softmax(-1)
    emit("log-probabilities", [float(row[token]) for row, token in zip(logits, ids, strict=True)])
    _emit_peak(scale, emit)


@_stated
def encoding(scale: Scale, emit: Emit) -> None:
    """Measure preprocessing a CT, which the CPU does, and encoding it and its regions."""
    import preprocessing
    import SimpleITK as sitk

    from reg2rg.preprocessing import prepare
    from reg2rg.segmentation import RegionMasks

    language = dataclasses.replace(scale.config.language, num_hidden_layers=1)
    config = dataclasses.replace(scale.config, language=language)
    with tempfile.TemporaryDirectory() as folder:
        preprocessing.make_case(scale.voxels, Path(folder))
        volume = sitk.ReadImage(f"{folder}/volume.mha")
        masks = RegionMasks(sitk.ReadImage(f"{folder}/bits.mha"), "benchmark")
    started = time.perf_counter()
    inputs = prepare(volume, masks, config.preprocessing)
    emit("preprocess s", time.perf_counter() - started)
    model = fuse(random_model(config, scale.device, scale.precision))
    names = list(inputs.textures)
    for name in ("encode, first time s", "encode s"):
        encoder = FeatureEncoder(model.embedding_layer, config)  # new, so that nothing is cached
        emit(name, _seconds(scale, lambda encoder=encoder: encoder.encode(inputs, names)))
    emit("regions", len(names))
    _emit_peak(scale, emit)


CHECKS: dict[str, tuple[Callable[..., None], float]] = {
    "bandwidth": (bandwidth, 30),
    "packed": (packed, 90),
    "generate": (generate, 70),
    "vllm": (vllm, 130),
    "encoding": (encoding, 70),
    "8bit": (functools.partial(packed, precision="8bit"), 45),
    "4bit": (functools.partial(packed, precision="4bit"), 40),
}
"""Check -> function and time limit in seconds. The limits add up to less than eight minutes."""


# --- parts of checks -------------------------------------------------------------------------------------------------


def random_model(config: ModelConfig, device: str, precision: str) -> Reg2RG:
    """Make a model with random weights, the same ones in every process.

    Args:
        config: the model.
        device: torch device.
        precision: precision of the language model.
    """
    shapes = expected_shapes(empty_model(config))
    rng = torch.Generator(device).manual_seed(0)

    def read(name: str) -> torch.Tensor:
        if len(shapes[name]) == 1 and name.endswith("weight"):
            return torch.ones(shapes[name], device=device)  # norms
        tensor = torch.empty(shapes[name], device=device).normal_(std=0.02, generator=rng)
        return tensor.cpu() if precision in QUANTIZED else tensor  # bitsandbytes quantizes on the way to the GPU

    return assemble(config, shapes, read, device, precision).eval()


def _loaded(scale: Scale, emit: Emit, precision: str) -> Reg2RG:
    started = time.perf_counter()
    model = random_model(scale.config, scale.device, precision)
    # Every step reads all weights but the word embeddings, of which it looks up a few rows.
    words = model.embedding_layer.weight
    weights = [each for name, each in model.lang_model.named_parameters() if each is not words and "lora_" not in name]
    emit("weights per step GB", sum(each.nbytes for each in weights) / 1e9)
    del weights
    model = fuse(model)
    emit("load s", time.perf_counter() - started)
    return model


def _texts(scale: Scale, model: Reg2RG, count: int, seed: int = 0) -> list[TextState]:
    """Return so many texts that continue one random prompt. Prompts of different seeds have nothing in common."""
    length = prompt_tokens(scale.config, len(REGION_NAMES))
    width, weight = scale.config.language.hidden_size, model.embedding_layer.weight
    rng = torch.Generator().manual_seed(seed)
    embeddings = (0.02 * torch.randn(length, width, generator=rng)).to(weight.device, weight.dtype)
    prompt = Prompt(embeddings, length // 2, (1 << count) - 1)
    return [TextState(prompt, 1 << number, [3, 4, 5 + number], scale.tokens) for number in range(count)]


def _measure(scale: Scale, emit: Emit, model: Reg2RG, backend: DecodingBackend) -> None:
    """Measure one sequence, and ten regions at once."""
    warm = _texts(scale, model, 1)
    warm[0].max_tokens = 2
    _stream(backend, warm)
    for name, count in (("one sequence", 1), ("ten regions", len(REGION_NAMES))):
        texts = _texts(scale, model, count, seed=count)
        seconds, rate = _stream(backend, texts)
        emit(f"{name} tokens/s", rate)
        emit(f"{name} first tokens s", seconds)
    texts = _texts(scale, model, len(REGION_NAMES), seed=len(REGION_NAMES))
    emit("ten regions again, first tokens s", _stream(backend, texts)[0])
    reference = _texts(scale, model, 1)
    _stream(backend, reference)
    emit("ids", reference[0].ids)
    emit("log-probabilities", [math.log(max(p, 1e-45)) for p in reference[0].probabilities])
    _emit_peak(scale, emit)


def _stream(backend: DecodingBackend, texts: Sequence[TextState]) -> tuple[float, float]:
    """Generate texts; return the seconds until their first tokens, and tokens per second from then on."""
    started = first = time.perf_counter()
    tokens = 0
    for _ in backend.decode(texts, None, None):
        if not tokens:
            first, tokens = time.perf_counter(), sum(len(text.ids) for text in texts)
    rest = sum(len(text.ids) for text in texts) - tokens
    return first - started, rest / max(time.perf_counter() - first, 1e-9)


def _seconds(scale: Scale, action: Callable[[], Any]) -> float:
    _synchronize(scale)
    started = time.perf_counter()
    action()
    _synchronize(scale)
    return time.perf_counter() - started


def _best_seconds(scale: Scale, action: Callable[[], Any]) -> float:
    return min(_seconds(scale, action) for _ in range(10))


def _synchronize(scale: Scale) -> None:
    if scale.device != "cpu":
        torch.cuda.synchronize()


def _emit_peak(scale: Scale, emit: Emit) -> None:
    if scale.device != "cpu":
        emit("peak memory GB", torch.cuda.max_memory_allocated() / 1e9)


# --- results ---------------------------------------------------------------------------------------------------------


def derive(results: dict[str, dict[str, Any]]) -> None:
    """Add what follows from several checks: the distance to the limit of the bandwidth, and agreement with generate."""
    measured = results.get("bandwidth", {})
    best = max(measured.get("copy GB/s", 0), measured.get("matrix-vector GB/s", 0))
    for result in results.values():
        if best and "one sequence tokens/s" in result:
            limit = best / result["weights per step GB"]
            result["limit by bandwidth tokens/s"] = limit
            result["share of the limit"] = result["one sequence tokens/s"] / limit
        reference = results.get("generate", {})
        if "log-probabilities" in result and "log-probabilities" in reference and result is not reference:
            pairs = list(zip(result["ids"], reference["ids"], strict=False))
            same = next((index for index, (a, b) in enumerate(pairs) if a != b), len(pairs))
            result["tokens as generate"] = f"{same} of {len(pairs)}"
            both = list(zip(result["log-probabilities"], reference["log-probabilities"], strict=False))[:same]
            result["log-probability difference"] = max((abs(a - b) for a, b in both), default=0.0)


def table(results: dict[str, dict[str, Any]]) -> str:
    """Return one row per value as Markdown."""
    rows = ["| check | value | |", "|---|---|---|"]
    for name, result in results.items():
        for key, value in result.items():
            if not isinstance(value, list):
                rows.append(f"| {name} | {key} | {f'{value:.4g}' if isinstance(value, float) else value} |")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
