"""The authors' checkpoint files are converted to a model folder: bit by bit, in little memory, without running code."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from checkpoint_files import make_state, save_tokenizer, small_config
from command_line import error_line, file_size_limit
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from reg2rg.checkpoints import ModelFolder
from reg2rg.checkpoints.assembly import TIED
from reg2rg.checkpoints.convert.convert import ConversionPlan, convert_checkpoint, plan_conversion
from reg2rg.errors import InputError
from reg2rg.hub import find_model
from reg2rg.models.config import ModelConfig
from reg2rg.runtime.callbacks import ignore_progress

LANGUAGE = "lang_model.base_model.model."
EMBEDDINGS = f"{LANGUAGE}model.embed_tokens.weight"
VISION, PERCEIVER = "embedding_layer.vision_encoder.", "embedding_layer.perceiver."


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return make_state(small_config())


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture
def checkpoint(state: dict[str, Tensor], tmp_path: Path) -> Path:
    return save(state, tmp_path / "pytorch_model.bin")


def save(content: object, path: Path, **options) -> Path:
    torch.save(content, path, **options)
    return path


def plan(*files: Path, **options) -> ConversionPlan:
    return plan_conversion(files, name="small", **options)


def convert(folder: Path, tokenizer: Path | None, *files: Path, **options) -> Path:
    convert_checkpoint(plan(*files, **options), folder, tokenizer=tokenizer, progress=ignore_progress)
    return folder


def expected_tensors(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of an authors' state dict that a model folder stores."""
    return {name: t for name, t in state.items() if name != TIED and not name.endswith("inv_freq")}


def assert_same(actual: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert actual.keys() == expected.keys()
    for name, tensor in expected.items():
        assert actual[name].dtype == tensor.dtype and torch.equal(actual[name], tensor), name


def test_weights_are_copied_bit_by_bit_and_sizes_inferred_from_shapes(state, checkpoint, tokenizer, tmp_path):
    folder = convert(tmp_path / "model", tokenizer, checkpoint)
    assert_same(load_file(folder / "model.safetensors"), expected_tensors(state))
    assert json.loads((folder / "config.json").read_text()) == json.loads(json.dumps(small_config().to_dict()))
    model = ModelFolder.open(folder).load()
    assert model.config == small_config() and model.tokenizer.bos_token_id == 1
    assert torch.equal(model.embedding_layer.fc.weight, state["embedding_layer.fc.weight"].float())


def test_the_model_card_states_source_hash_terms_and_differences_from_the_published_model(
    checkpoint, tokenizer, tmp_path
):
    folder = convert(tmp_path / "model", tokenizer, checkpoint)
    card = (folder / "MODEL_CARD.md").read_text()
    assert subprocess.check_output(["sha256sum", checkpoint], text=True).split()[0] in card
    for phrase in ("pytorch_model.bin", "LLAMA 2 Community License", "CT-RATE", "Not for clinical use", "bfloat16"):
        assert phrase in card
    assert str(checkpoint.parent) not in card
    assert "language.num_hidden_layers 3 (published 32)" in card


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_tensor_types_are_preserved_even_if_mixed(dtype, state, tokenizer, tmp_path):
    mixed = {name: t if name.startswith("lang_model.") else t.to(dtype) for name, t in state.items()}
    mixed[TIED] = mixed[EMBEDDINGS]
    folder = convert(tmp_path / "model", tokenizer, save(mixed, tmp_path / "mixed.bin"))
    assert_same(load_file(folder / "model.safetensors"), expected_tensors(mixed))


def old_peft(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.replace(".base_layer", "").replace(".default", ""): tensor for name, tensor in state.items()}


def in_module(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"module.{name}": tensor for name, tensor in state.items()}


def without(*names: str) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    return lambda state: {name: tensor for name, tensor in state.items() if name not in names}


def untied(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {**state, TIED: state[TIED].clone()}


def transposed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Store the same values in column-major order."""
    return {name: t.t().contiguous().t() if t.ndim == 2 else t for name, t in state.items()}


VARIANTS = {
    "peft before 0.7": old_peft,
    "wrapped in a module": in_module,
    "word embeddings once, under the language model's name": without(TIED),
    "word embeddings once, under the region encoder's name": without(EMBEDDINGS),
    "word embeddings twice, in separate memory": untied,
    "column-major": transposed,
    "float32 copy of the word embeddings": lambda state: {**state, TIED: state[TIED].float()},
}


@pytest.fixture(scope="module")
def expected_hash(state, tokenizer, tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("expected")
    return ModelFolder.open(
        convert(folder / "model", tokenizer, save(state, folder / "pytorch_model.bin"))
    ).weights_sha256


@pytest.mark.parametrize("variant", VARIANTS)
def test_equal_weights_give_equal_files_whatever_their_names(variant, state, tokenizer, tmp_path, expected_hash):
    file = save(VARIANTS[variant](state), tmp_path / "variant.bin")
    assert ModelFolder.open(convert(tmp_path / "model", tokenizer, file)).weights_sha256 == expected_hash


@pytest.mark.parametrize("kind", ["bin", "safetensors"])
def test_sharded_checkpoints_are_read_through_their_index(kind, state, tokenizer, tmp_path, expected_hash):
    names = sorted(expected_tensors(state))
    shards = {"a": names[::2], "b": names[1::2]}
    for shard, part in shards.items():
        tensors = {name: state[name] for name in part}
        save_file(tensors, tmp_path / f"{shard}.{kind}") if kind != "bin" else save(tensors, tmp_path / f"{shard}.bin")
    index = tmp_path / f"model.{kind}.index.json"
    index.write_text(json.dumps({"weight_map": {n: f"{shard}.{kind}" for shard, part in shards.items() for n in part}}))
    options = dict(config=config_file(tmp_path))  # without rotary buffers, the head width cannot be inferred
    assert ModelFolder.open(convert(tmp_path / "model", tokenizer, index, **options)).weights_sha256 == expected_hash
    (tmp_path / f"b.{kind}").unlink()
    with pytest.raises(InputError, match=f"lacks files .*: b.{kind}"):
        plan(index)


def config_file(folder: Path) -> Path:
    path = folder / "given.json"
    path.write_text(json.dumps(small_config().to_dict()))
    return path


def radfm_files(state: dict[str, Tensor], folder: Path) -> list[Path]:
    """Write RadFM's two files, with values that differ from the state's."""
    vision = {n.removeprefix(VISION): t.float() + 1 for n, t in state.items() if n.startswith(VISION)}
    perceiver = {n.removeprefix(PERCEIVER): t.float() + 1 for n, t in state.items() if n.startswith(PERCEIVER)}
    fc = {"weight": torch.zeros(5120, 6), "bias": torch.zeros(5120)}
    return [
        save(vision, folder / "RadFM_vit3d.pth"),
        save({"perceiver": perceiver, "fc": fc}, folder / "RadFM_perceiver_fc.pth"),
    ]


def test_tensors_missing_from_the_main_checkpoint_are_taken_from_radfm(state, tokenizer, tmp_path):
    lacking = {name: t for name, t in state.items() if not name.startswith((VISION, PERCEIVER))}
    files = [*radfm_files(state, tmp_path), save(lacking, tmp_path / "pytorch_model.bin")]
    tensors = load_file(convert(tmp_path / "model", tokenizer, *files) / "model.safetensors")
    radfm = {name: t.float() + 1 for name, t in state.items() if name.startswith((VISION, PERCEIVER))}
    assert_same(tensors, {**expected_tensors(lacking), **radfm})


def test_the_main_checkpoint_overrides_radfm_and_the_model_card_says_so(
    state, checkpoint, tokenizer, tmp_path, expected_hash
):
    folder = convert(tmp_path / "model", tokenizer, *radfm_files(state, tmp_path), checkpoint)
    assert ModelFolder.open(folder).weights_sha256 == expected_hash
    assert "taken from the main checkpoint" in (folder / "MODEL_CARD.md").read_text()


def test_a_tensor_in_two_main_checkpoints_is_refused(checkpoint, state, tmp_path):
    again = save({"embedding_layer.fc.bias": state["embedding_layer.fc.bias"]}, tmp_path / "again.bin")
    with pytest.raises(InputError, match="both contain embedding_layer.fc.bias"):
        plan(checkpoint, again)


def test_two_different_word_embeddings_are_refused(state, tmp_path):
    different = state[TIED].clone()
    different[-1, -1] += 1
    with pytest.raises(InputError, match="embedding_layer.weight differs"):
        plan(save({**state, TIED: different}, tmp_path / "a.bin"))


def test_all_missing_extra_and_misshapen_tensors_are_listed_and_nothing_is_written(models, state, tokenizer, tmp_path):
    bad = {name: t for name, t in state.items() if "model.layers.1." not in name}
    bad |= {"embedding_layer.surprise": torch.zeros(2), "embedding_layer.mask_fc.bias": torch.zeros(3)}
    file = save(bad, tmp_path / "bad.bin")
    finished = models("import", file, "--check")
    assert finished.returncode == 1 and "Traceback" not in finished.stderr
    lines = finished.stdout.splitlines()
    lost = expected_tensors(state).keys() - bad.keys()
    assert len(lost) == 13 and lost <= {line.removesuffix(" is missing") for line in lines}
    assert "embedding_layer.surprise is not part of the model" in lines
    assert "embedding_layer.mask_fc.bias has shape (3,), expected (32,)" in lines
    error = error_line(models("import", file, "-o", tmp_path / "out", "--tokenizer", tokenizer), 2)
    assert "do not match" in error and "more (--check lists all of them)" in error
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_without_its_last_layer_is_reported_to_differ_from_the_published_model(
    models, state, tokenizer, tmp_path
):
    file = save({name: t for name, t in state.items() if "model.layers.2." not in name}, tmp_path / "short.bin")
    finished = models("import", file, "-o", tmp_path / "out", "--tokenizer", tokenizer)
    assert finished.returncode == 0 and "language.num_hidden_layers 2 (published 32)" in finished.stderr


def test_a_given_config_is_not_adapted_to_the_checkpoint(checkpoint, tmp_path):
    narrow = replace(small_config(), language=replace(small_config().language, num_hidden_layers=2))
    path = tmp_path / "config.json"
    path.write_text(json.dumps(narrow.to_dict()))
    misfits = plan(checkpoint, config=path).misfits
    assert misfits and all(".layers.2." in misfit and misfit.endswith("not part of the model") for misfit in misfits)


class Malicious:
    """An object that creates a folder when it is unpickled without restrictions."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def test_a_checkpoint_that_would_run_code_is_refused_with_one_line_and_runs_nothing(models, state, tokenizer, tmp_path):
    marker = tmp_path / "marker"
    file = save({**state, "extra": Malicious(marker)}, tmp_path / "evil.bin")
    error = error_line(models("import", file, "-o", tmp_path / "out", "--tokenizer", tokenizer), 2)
    assert "was refused" in error and "mkdir" in error
    assert not marker.exists() and not (tmp_path / "out").exists()
    pickle.loads(pickle.dumps(Malicious(marker)))  # shows that it would have
    assert marker.is_dir()


def truncate(folder: Path) -> Path:
    path = save({"embedding_layer.fc.bias": torch.zeros(100_000)}, folder / "a.bin")
    path.write_bytes(path.read_bytes()[:200_000])
    return path


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


TENSOR = {"embedding_layer.fc.bias": torch.zeros(4)}
BAD_FILES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda folder: folder / "nosuch.bin", "does not exist"),
    "a folder": (lambda folder: folder, "is a folder"),
    "truncated": (truncate, "damaged or incomplete"),
    "old format": (
        lambda folder: save(TENSOR, folder / "a.bin", _use_new_zipfile_serialization=False),
        "PyTorch 1.6 or later",
    ),
    "Git LFS pointer": (
        lambda folder: write(folder / "a.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
        "Git LFS pointer",
    ),
    "empty": (lambda folder: write(folder / "a.bin", b""), "PyTorch 1.6 or later"),
    "broken safetensors": (lambda folder: write(folder / "a.safetensors", b"x" * 100), "not a valid safetensors"),
    "a list": (lambda folder: save([torch.zeros(4)], folder / "a.bin"), "contains a list"),
    "not only tensors": (
        lambda folder: save({**TENSOR, "epoch": 3}, folder / "a.bin"),
        "contains epoch of type int",
    ),
    "quantized": (
        lambda folder: save({"lang_model.a": torch.zeros(4, dtype=torch.int8)}, folder / "a.bin"),
        "lang_model.a is int8",
    ),
    "without data": (lambda folder: save({"lang_model.a": torch.zeros(4, device="meta")}, folder / "a.bin"), "meta"),
    "not an index": (lambda folder: write(folder / "a.index.json", "[]"), "no weight_map"),
    "another zip": (lambda folder: write(folder / "a.bin", b"PK\5\6" + bytes(18)), "damaged or incomplete"),
    "unrelated tensors": (lambda folder: save({"weight": torch.zeros(4)}, folder / "a.bin"), "is missing"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_an_invalid_checkpoint_is_refused_with_one_line(kind: str, tokenizer, tmp_path: Path):
    make, message = BAD_FILES[kind]
    with pytest.raises(InputError, match=message) as error:
        convert(tmp_path / "out", tokenizer, make(tmp_path))
    assert "\n" not in str(error.value) and not (tmp_path / "out").exists()


def test_without_a_tokenizer_the_error_says_where_to_get_it_and_that_it_is_gated(checkpoint, tmp_path):
    for folder, problem in ((None, "No tokenizer was given"), (tmp_path, "has no tokenizer")):
        with pytest.raises(InputError, match=f"{problem}.* gated.*meta-llama/Llama-2-7b-chat-hf"):
            convert(tmp_path / "out", folder, checkpoint)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match="cannot be read"):
        convert(tmp_path / "out", tmp_path, checkpoint)


def test_a_different_tokenizer_is_refused_for_llamas_vocabulary(tokenizer, tmp_path):
    config = replace(small_config(), language=replace(small_config().language, vocab_size=32000))
    file = save(make_state(config), tmp_path / "a.bin")
    with pytest.raises(InputError, match="is not that of LLaMA-2"):
        convert(tmp_path / "out", tokenizer, file)


def test_an_existing_model_is_not_overwritten(checkpoint, tokenizer, tmp_path):
    folder = convert(tmp_path / "model", tokenizer, checkpoint)
    with pytest.raises(InputError, match="already contains a model"):
        convert(folder, tokenizer, checkpoint)
    ModelFolder.open(folder).verify()


def test_by_default_the_model_is_stored_among_the_users_models_and_found_by_name(
    models, checkpoint, tokenizer, tmp_path, monkeypatch
):
    monkeypatch.setenv("REG2RG_MODELS", str(tmp_path / "mine"))
    arguments = ("import", checkpoint, "--tokenizer", tokenizer, "--name", "mine-1")
    finished = models(*arguments)
    assert finished.stdout == f"{tmp_path / 'mine' / 'mine-1'}\n", finished.stderr
    assert "Writing the weights" in finished.stderr and find_model("mine-1") == tmp_path / "mine" / "mine-1"
    listed = models().stdout
    assert "phantom  " in listed and "mine-1  " in listed and listed.count("All files match their checksums") == 2
    assert "already exists" in error_line(models(*arguments), 2)
    assert "not a valid model name" in error_line(models(*arguments[:-1], "../up"), 2)


@pytest.mark.posix
def test_nothing_is_left_behind_when_the_disk_is_full(models, checkpoint, tokenizer, tmp_path):
    with file_size_limit(100_000):
        error = error_line(models("import", checkpoint, "-o", tmp_path / "out", "--tokenizer", tokenizer), 1)
    assert "too large for this file system" in error and not (tmp_path / "out").exists()


MEASURED = """
from reg2rg.cli.main import main
try:
    main()
finally:
    print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is read from /proc")
def test_converting_a_checkpoint_of_full_width_needs_much_less_memory_than_its_file_size(tokenizer, tmp_path: Path):
    """Convert two layers of the published model, with one word more than LLaMA so that any tokenizer is accepted."""
    published = ModelConfig(name="reg2rg-llama2-7b")
    config = replace(published, language=replace(published.language, num_hidden_layers=2, vocab_size=32001))
    file = save(make_state(config), tmp_path / "pytorch_model.bin")
    size = file.stat().st_size
    assert size > 1.5e9
    arguments = ("models", "import", file, "-o", tmp_path / "model", "--tokenizer", tokenizer)
    command = [sys.executable, "-c", MEASURED, *map(str, arguments)]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    peak = int(finished.stdout.split()[-1]) * 1024
    assert peak < size + 1e9
    assert peak < 1e9  # mostly Python, torch and transformers; 13.7 GB need no more (Testing/Benchmarks)
    ModelFolder.open(tmp_path / "model").verify()
    original = torch.load(file, weights_only=True, mmap=True)
    with safe_open(tmp_path / "model" / "model.safetensors", "pt") as stored:
        assert set(stored.keys()) == expected_tensors(original).keys()
        assert all(torch.equal(stored.get_tensor(name), original[name]) for name in stored.keys())
    for name in ("pytorch_model.bin", "model/model.safetensors"):  # pytest would keep them
        (tmp_path / name).unlink()
