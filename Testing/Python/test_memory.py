"""Memory is estimated before anything is loaded, and decides where a model runs."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tiny_model import tiny_config, tiny_model

from reg2rg.checkpoints import ModelFolder
from reg2rg.checkpoints.assembly import empty_model, expected_shapes
from reg2rg.checkpoints.saving import save_model
from reg2rg.errors import InputError
from reg2rg.hub import find_model
from reg2rg.inference.memory import ModelSize, Workload, cache_bytes_per_token, memory_needed, prompt_tokens
from reg2rg.inference.placement import Candidate, list_candidates, place
from reg2rg.models.config import LanguageConfig, ModelConfig
from reg2rg.models.precision import can_quantize
from reg2rg.models.quantization import quantizable_layers
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.pipeline.events import Notice
from reg2rg.pipeline.model_cache import MODEL_CACHE
from reg2rg.pipeline.request import ReportRequest
from reg2rg.pipeline.run import run_report
from reg2rg.runtime import devices
from reg2rg.runtime.devices import free_memory

LLAMA2 = ModelConfig()
GB = 10**9


@pytest.fixture(scope="module")
def llama2() -> ModelSize:
    return ModelSize.from_shapes(expected_shapes(empty_model(LLAMA2)))


@pytest.mark.parametrize(
    ("precision", "language", "total"),
    [("fp32", 26.97, 28.8), ("bf16", 13.49, 14.7), ("8bit", 7.01, 8.45), ("4bit", 3.87, 5.3)],
)
def test_the_memory_of_llama2_7b_is_estimated_within_two_percent(
    llama2: ModelSize, precision: str, language: float, total: float
):
    assert llama2.linear + llama2.other == 6_738_415_616 + 4_194_304  # LLaMA-2-7B and its LoRA
    assert (llama2.weight_bytes(precision) - 4 * llama2.vision) / GB == pytest.approx(language, abs=0.01)
    assert memory_needed(LLAMA2, llama2, precision).total / GB == pytest.approx(total, rel=0.02)


def test_the_cache_needs_half_a_megabyte_per_token_and_less_with_grouped_heads():
    assert cache_bytes_per_token(LLAMA2, "bf16") == 2**19
    assert cache_bytes_per_token(LLAMA2, "fp32") == 2**20
    mistral = LanguageConfig(num_key_value_heads=8)
    assert cache_bytes_per_token(dataclasses.replace(LLAMA2, language=mistral), "8bit") == 2**17


def test_the_length_of_prompts_is_estimated_from_above():
    assert 544 <= prompt_tokens(LLAMA2, 10) <= 600  # 544 with the published tokenizer


def test_more_tokens_and_texts_need_more_cache_but_the_prompt_is_stored_once(llama2: ModelSize):
    prompt = prompt_tokens(LLAMA2, 10)
    cache = [
        memory_needed(LLAMA2, llama2, "bf16", Workload(max_new_tokens=tokens, parallel=parallel)).cache / 2**19
        for tokens, parallel in ((100, False), (500, False), (500, True), (9999, True))
    ]
    assert cache == [prompt + 100, prompt + 500, prompt + 5000, prompt + 10 * (4096 - prompt)]


def test_the_phantom_model_fits_anywhere():
    folder = ModelFolder.open(find_model("phantom"))
    need = memory_needed(folder.config, ModelSize.from_shapes(folder.read_shapes()), "fp32")
    assert need.weights == pytest.approx(25.1e6, rel=0.01) and need.total < 0.1 * GB


GPU_FIRST = [
    Candidate("cuda", "bf16"),
    Candidate("cuda", "8bit"),
    Candidate("cuda", "4bit"),
    Candidate("cpu", "fp32"),
    Candidate("cpu", "bf16"),
]


@pytest.mark.parametrize(
    ("gpu", "cpu", "chosen"),
    [
        (24, 8, Candidate("cuda", "bf16")),
        (12, 64, Candidate("cuda", "8bit")),
        (6, 64, Candidate("cuda", "4bit")),
        (4, 64, Candidate("cpu", "fp32")),
        (4, 20, Candidate("cpu", "bf16")),
    ],
)
def test_the_first_candidate_that_fits_is_used_with_a_notice_unless_it_is_the_best(
    llama2: ModelSize, gpu: int, cpu: int, chosen: Candidate
):
    placement = place(LLAMA2, llama2, GPU_FIRST, Workload(), free=lambda device: {"cuda": gpu, "cpu": cpu}[device] * GB)
    assert Candidate(placement.device, placement.precision) == chosen
    if chosen == GPU_FIRST[0]:
        assert placement.notice is None
    else:
        assert placement.notice.startswith(
            f"llama2-7b needs about 14.7 GB in bf16, but only {gpu}.0 GB is free on cuda"
        )
        assert f"it runs on {chosen.device} in {chosen.precision}." in placement.notice


def test_a_model_that_does_not_fit_is_refused_with_numbers_and_advice(llama2: ModelSize):
    with pytest.raises(InputError) as error:
        place(LLAMA2, llama2, [Candidate("cpu", "bf16")], Workload(), free=lambda device: 9 * GB)
    assert str(error.value) == (
        "llama2-7b needs about 14.7 GB in bf16, but only 9.0 GB is free on cpu. --precision 8bit would need 8.5 GB."
    )
    with pytest.raises(InputError, match=r"5\.\d GB in 4bit, but only 2.0 GB is free on cuda.*smaller model"):
        candidates = [Candidate("cuda", "bf16"), Candidate("cuda", "4bit")]
        place(LLAMA2, llama2, candidates, Workload(), free=lambda device: 2 * GB)


def test_the_cpu_prefers_exact_weights_and_a_requested_precision_is_the_only_candidate():
    quantized = ["8bit", "4bit"] if can_quantize() else []
    assert list_candidates("cpu") == [Candidate("cpu", name) for name in ["fp32", "bf16", *quantized]]
    assert list_candidates("cpu", "fp16") == [Candidate("cpu", "fp16")]
    with pytest.raises(InputError, match="Unknown precision"):
        list_candidates("cpu", "int3")


@pytest.fixture
def request_of(phantom_files, tiny_model_folder: Path, tmp_path: Path):
    volume, regions = phantom_files
    MODEL_CACHE.clear()
    yield lambda **fields: ReportRequest(
        volume=volume,
        output=tmp_path / "out",
        regions_file=regions,
        model=str(tiny_model_folder),
        max_new_tokens=4,
        **fields,
    )
    MODEL_CACHE.clear()


def test_a_run_reports_a_fallback_and_refuses_a_model_that_does_not_fit_before_segmenting(request_of, monkeypatch):
    folder = ModelFolder.open(Path(request_of().model))
    size = ModelSize.from_shapes(folder.read_shapes())
    needs = [memory_needed(folder.config, size, name, Workload(max_new_tokens=4)).total for name in ("fp32", "bf16")]
    monkeypatch.setattr(devices.Path, "read_text", limited(devices.Path.read_text, sum(needs) / 2))
    events = []
    run_report(request_of(device="cpu"), events.append)
    (notice,) = [event for event in events if isinstance(event, Notice)]
    assert "it runs on cpu in bf16." in notice.message
    events.clear()
    with pytest.raises(InputError, match="--precision bf16 would need"):
        run_report(request_of(device="cpu", precision="fp32"), events.append)
    assert {event.stage.value for event in events} == {"read"}


def limited(read_text, free: float):
    """Return a function that reads the control group's files as in a container with this many free bytes."""
    contents = {
        "memory.max": f"{int(free / 0.95)}\n",
        "memory.current": "1000\n",
        "memory.stat": "inactive_file 1000\n",
    }

    def read(path: Path, *arguments, **options) -> str:
        return contents[path.name] if path.name in contents else read_text(path, *arguments, **options)

    return read


@pytest.mark.slow
def test_the_placement_is_decided_once_while_the_model_is_in_memory(request_of, monkeypatch):
    run_report(request_of(), lambda event: None)
    monkeypatch.setattr(devices.Path, "read_text", limited(devices.Path.read_text, 1000))  # nothing more would fit
    run_report(request_of(regions=("lung",)), lambda event: None)
    MODEL_CACHE.clear()
    with pytest.raises(InputError, match="is free on cpu"):
        run_report(request_of(), lambda event: None)


def test_free_cpu_memory_is_positive_and_at_most_the_total():
    import psutil

    assert 0 < free_memory("cpu") <= psutil.virtual_memory().total


MEASURE = """
import sys, threading, time, psutil, torch
from pathlib import Path
from reg2rg.inference import ReportGenerator
from reg2rg.checkpoints import ModelFolder
from reg2rg.inference.fusing import fuse
from reg2rg.inference.memory import ModelSize, Workload, memory_needed
from reg2rg.preprocessing import ModelInputs
from reg2rg.regions import REGION_NAMES
from reg2rg.runtime.third_party import import_peft
import_peft()
import transformers.models.llama.modeling_llama  # libraries are not what is measured
torch.set_num_threads(1)
folder, precision = Path(sys.argv[1]), sys.argv[2]
opened = ModelFolder.open(folder)
config = opened.config
need = memory_needed(config, ModelSize.from_shapes(opened.read_shapes()), precision, Workload(max_new_tokens=8))
volumes = {name: torch.rand(config.preprocessing.image_size) for name in REGION_NAMES}
resident = psutil.Process().memory_info
before, peak = resident().rss, 0
def watch():
    global peak
    while True:
        peak = max(peak, resident().rss)
        time.sleep(0.002)
threading.Thread(target=watch, daemon=True).start()
model = opened.load(precision=precision)
ReportGenerator(fuse(model)).generate(ModelInputs(volumes["lung"], volumes, volumes, {}), max_new_tokens=8)
print(need.total / (peak - before))
"""


@pytest.fixture(scope="module")
def large_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Save a model of 200 million weights, so that the memory of the tokenizer and libraries hardly matters."""
    torch.manual_seed(0)
    tokenizer = tiny_model(trained=False).tokenizer
    config = tiny_config(len(tokenizer), 1)
    language = dataclasses.replace(config.language, hidden_size=1024, intermediate_size=2816, num_hidden_layers=16)
    model = Reg2RG(dataclasses.replace(config, language=language))
    model.tokenizer = tokenizer
    folder = tmp_path_factory.mktemp("large")
    save_model(model, folder, dtype=torch.float16, card="# big\n")
    del model
    yield folder
    (folder / "model.safetensors").unlink()  # pytest would keep it


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_estimate_is_within_a_quarter_of_what_a_report_takes(large_model_folder: Path, precision: str):
    command = [sys.executable, "-c", MEASURE, str(large_model_folder), precision]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 0.75 < float(finished.stdout) < 1.25


def test_weights_take_as_much_memory_as_estimated(tiny_model_folder: Path):
    folder = ModelFolder.open(tiny_model_folder)
    weights = sum(parameter.nbytes for parameter in folder.load().parameters())
    assert ModelSize.from_shapes(folder.read_shapes()).weight_bytes("fp32") == weights


@pytest.mark.parametrize("name", ["published", "phantom"])
def test_the_layers_that_can_be_quantized_are_recognized_by_name(llama2: ModelSize, name: str):
    config = LLAMA2 if name == "published" else ModelFolder.open(find_model("phantom")).config
    model = empty_model(config)
    layers = [layer.weight.numel() for layer in quantizable_layers(model.lang_model).values()]
    size = llama2 if name == "published" else ModelSize.from_shapes(expected_shapes(model))
    assert (size.linear, size.largest_linear) == (sum(layers), max(layers))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    statistics = sum(buffer.numel() for buffer in model.embedding_layer.buffers())
    assert size.vision + size.linear + size.other == parameters + statistics
