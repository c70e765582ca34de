"""Language models in 16, 8 and 4 bits: storage types, numerical accuracy, and refused combinations."""

from __future__ import annotations

import dataclasses
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_model import tiny_config, tiny_model

from reg2rg.checkpoints import ModelFolder
from reg2rg.checkpoints.saving import save_model
from reg2rg.errors import InputError
from reg2rg.inference import ReportGenerator
from reg2rg.inference.fusing import fuse
from reg2rg.inference.memory import ModelSize
from reg2rg.models.config import LoraSettings
from reg2rg.models.precision import PRECISIONS, QUANTIZED, can_quantize, check_precision
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.pipeline.request import ReportRequest
from reg2rg.pipeline.run import run_report
from reg2rg.preprocessing import ModelInputs
from reg2rg.report import parse_report

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
TOLERANCES = {"fp32": 0.0, "bf16": 0.02, "fp16": 0.003, "8bit": 0.03, "4bit": 0.3}
"""Relative error of the logits with random weights."""


def skip_if_unavailable(precision: str) -> str:
    """Skip the test if the precision requires a missing package; otherwise return the precision."""
    if precision in QUANTIZED and not can_quantize():
        pytest.skip("bitsandbytes is not installed")
    return precision


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a model with LoRA and biases and with layers wide enough for quantization blocks of 64 weights."""
    torch.manual_seed(0)
    tokenizer = tiny_model(trained=False).tokenizer
    config = tiny_config(len(tokenizer), 1)
    language = dataclasses.replace(
        config.language,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_key_value_heads=2,
        config_overrides={"attention_bias": True},
        lora=LoraSettings(),
    )
    model = Reg2RG(dataclasses.replace(config, language=language))
    for name, parameter in model.named_parameters():
        if name.endswith(("bias", "lora_B.default.weight")):
            torch.nn.init.normal_(parameter, std=0.02)
    model.tokenizer = tokenizer
    folder = tmp_path_factory.mktemp("models") / "wide"
    save_model(model, folder, card="# wide\n")
    return folder


def inputs_of(model: Reg2RG) -> ModelInputs:
    size = model.config.preprocessing.image_size
    torch.manual_seed(0)
    names = ("lung", "heart", "bone")
    return ModelInputs(
        torch.rand(size), {name: torch.rand(size) for name in names}, {name: torch.rand(size) for name in names}, {}
    )


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_precision_computes_nearly_the_same_and_writes_sections(folder: Path, precision: str):
    exact, model = (
        ModelFolder.open(folder).load(),
        ModelFolder.open(folder).load(precision=skip_if_unavailable(precision)),
    )
    ids = torch.randint(3, 100, (2, 40), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        wanted, given = (each.lang_model(ids).logits.float() for each in (exact, model))
    assert (given - wanted).norm() <= TOLERANCES[precision] * wanted.norm()
    sections = ReportGenerator(fuse(model)).generate(inputs_of(model), max_new_tokens=6)
    assert [section.region for section in sections] == ["lung", "heart", "bone"]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_language_model_weights_have_the_given_precision_and_vision_weights_are_float32(folder: Path, precision: str):
    opened = ModelFolder.open(folder)
    model = opened.load(precision=skip_if_unavailable(precision))
    for name, parameter in model.named_parameters():
        if not name.startswith("lang_model."):
            assert name == "embedding_layer.weight" or parameter.dtype == torch.float32, name
        elif precision in DTYPES:
            assert parameter.dtype == DTYPES[precision], name
        else:
            quantized = name.endswith("weight") and ("proj" in name and "lora_" not in name)
            assert (parameter.dtype in (torch.int8, torch.uint8)) == quantized, name
    assert model.embedding_layer.weight is model.lang_model.get_input_embeddings().weight
    stored = sum(parameter.nbytes for parameter in model.parameters())
    assert stored == pytest.approx(ModelSize.from_shapes(opened.read_shapes()).weight_bytes(precision), rel=0.02)


def test_only_lora_of_a_quantized_model_is_trainable(folder: Path):
    model = ModelFolder.open(folder).load(precision=skip_if_unavailable("8bit"))
    trained = [name for name, parameter in model.lang_model.named_parameters() if parameter.requires_grad]
    assert trained and all("lora_" in name for name in trained)


PEAK = """
import sys, torch
from pathlib import Path
from reg2rg.checkpoints import ModelFolder
from reg2rg.inference.fusing import fuse
from reg2rg.inference.memory import ModelSize
from reg2rg.runtime.third_party import import_peft
import_peft()
import transformers.models.llama.modeling_llama  # so that their memory is not measured
torch.set_num_threads(1)
folder, precision = Path(sys.argv[1]), sys.argv[2]
opened = ModelFolder.open(folder)
weights = ModelSize.from_shapes(opened.read_shapes()).weight_bytes(precision)
def memory(kind):  # not getrusage, whose peak includes that of the parent process
    return 1024 * next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(kind))
before = memory("VmRSS")
opened.load(precision=precision)
print((memory("VmHWM") - before) / weights)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is read from /proc")
def test_loading_needs_little_more_memory_than_the_model_itself(tmp_path: Path):
    """Load 100 million weights; a copy of the file, or of the model in float32, would at least double the peak."""
    tokenizer = tiny_model(trained=False).tokenizer
    config = tiny_config(len(tokenizer), 1)
    language = dataclasses.replace(config.language, hidden_size=1024, intermediate_size=2816, num_hidden_layers=8)
    model = Reg2RG(dataclasses.replace(config, language=language))
    model.tokenizer = tokenizer
    save_model(model, tmp_path, dtype=torch.float16, card="# big\n")
    command = [sys.executable, "-c", PEAK, str(tmp_path), "bf16"]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    (tmp_path / "model.safetensors").unlink()
    assert 0.9 < float(finished.stdout) < 1.35


def test_the_output_head_gets_contiguous_input_to_avoid_copying_its_weights(folder: Path):
    model, seen = ModelFolder.open(folder).load(precision="bf16"), []
    head = model.lang_model.get_output_embeddings()
    head.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0]))
    with torch.inference_mode():
        model.lang_model(torch.zeros(3, 5, dtype=torch.long), logits_to_keep=1)
    assert seen[0].shape == (3, 1, 128) and seen[0].is_contiguous()


@pytest.mark.parametrize(
    ("precision", "device", "message"),
    [
        ("int8", "cpu", "'int8'; expected one of: auto, fp32, bf16, fp16, 8bit, 4bit"),
        ("8bit", "mps", "not on mps"),
    ],
)
def test_an_unavailable_precision_is_refused(precision: str, device: str, message: str):
    with pytest.raises(InputError, match=message):
        check_precision(precision, device)


def test_quantization_without_bitsandbytes_is_refused_with_an_install_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(InputError, match=r"pip install 'reg2rg\[quantize\]'"):
        check_precision("4bit", "cpu")


def test_the_precision_is_recorded_in_the_report(phantom_files, tiny_model_folder: Path, tmp_path: Path):
    volume, regions = phantom_files
    request = ReportRequest(
        volume=volume, output=tmp_path, regions_file=regions, model=str(tiny_model_folder), precision="bf16"
    )
    run_report(dataclasses.replace(request, regions=("lung",), max_new_tokens=4), lambda event: None)
    text = (tmp_path / "report.json").read_text()
    assert parse_report(text).provenance.precision == "bf16"


# CPUs without bf16 arithmetic. Hiding the vector extensions makes this one such a CPU.

WITHOUT_BF16 = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
PRECISION_OF_TRAININGS_AND_REPORT = """
import sys, torch
from pathlib import Path
from reg2rg.cli.main import main
from reg2rg.runtime.devices import computes_bf16
from reg2rg.runtime.third_party import configure_libraries
configure_libraries()
from reg2rg.training.config import read_config
from reg2rg.training.trainer import uses_bf16
trainings, sys.argv[1:] = sys.argv[1:3], sys.argv[3:]
print(computes_bf16("cpu"), *(uses_bf16(read_config(Path(file)), torch.device("cpu")) for file in trainings))
print("peft" in sys.modules, "bitsandbytes" in sys.modules)
main()
"""

requires_x86 = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="only the vector extensions of x86 can be hidden"
)


@pytest.fixture(scope="module")
def without_bf16(
    repository: Path, phantom_files, tiny_model_folder: Path, tmp_path_factory
) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Ask for the precision of two trainings, write a report, and return the process and the report's folder."""
    output = tmp_path_factory.mktemp("emulated")
    trainings = [repository / f"Resources/Training/{name}.yaml" for name in ("smoke", "published")]
    volume, regions = phantom_files
    report = ["report", volume, "--regions", regions, "--model", tiny_model_folder, "--precision", "bf16"]
    arguments = map(str, [*trainings, *report, "--max-new-tokens", "4", "-o", output])
    command = [sys.executable, "-c", PRECISION_OF_TRAININGS_AND_REPORT, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=WITHOUT_BF16), output


@requires_x86
@pytest.mark.slow
def test_training_does_not_default_to_bf16_on_a_cpu_that_emulates_it(without_bf16):
    finished, output = without_bf16
    assert finished.stdout.splitlines()[::2] == ["False False False", str(output)], finished.stderr


@requires_x86
@pytest.mark.slow
def test_training_imports_peft_without_bitsandbytes(without_bf16):
    assert without_bf16[0].stdout.splitlines()[1] == "True False"


@requires_x86
@pytest.mark.slow
def test_a_cpu_that_emulates_bf16_writes_the_report_and_says_that_it_is_slow(without_bf16):
    finished, output = without_bf16
    assert finished.returncode == 0, finished.stderr
    assert "This CPU does not compute in bf16; torch emulates it" in finished.stderr
    assert parse_report((output / "report.json").read_text()).provenance.precision == "bf16"
