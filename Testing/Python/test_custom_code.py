"""Code that comes with a model, a tokenizer or weights is never run: such folders are refused by name."""

from __future__ import annotations

import ast
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from tiny_model import tiny_config

from reg2rg.checkpoints import ModelFolder
from reg2rg.checkpoints.checksums import write_checksums
from reg2rg.checkpoints.new_model import create_model
from reg2rg.checkpoints.tokenizer import load_llama_tokenizer
from reg2rg.errors import InputError
from reg2rg.labeler.radbert import RadBertLabeler
from reg2rg.models.config import ModelConfig
from reg2rg.runtime.pretrained import refuse_custom_code

EVIL = "import pathlib\npathlib.Path({marker!r}).touch()\nclass Evil: ...\n"


def edit_json(file: Path, fields: dict) -> None:
    """Add fields to a JSON file, which is created if necessary."""
    values = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(values | fields))


SMUGGLED: dict[str, tuple[Callable[[Path], None], str]] = {
    "auto_map of a tokenizer": (
        lambda f: edit_json(f / "tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["evil.Evil", None]}}),
        "'auto_map' in tokenizer_config.json",
    ),
    "old auto_map of a tokenizer": (
        lambda f: edit_json(f / "tokenizer_config.json", {"auto_map": ["evil.Evil", None]}),
        "'auto_map' in tokenizer_config.json",
    ),
    "auto_map of another repository": (
        lambda f: edit_json(f / "config.json", {"auto_map": {"AutoConfig": "some/repository--evil.Evil"}}),
        "'auto_map' in config.json",
    ),
    "auto_map in a nested field": (
        lambda f: edit_json(f / "processor_config.json", {"parts": [{"auto_map": {"AutoProcessor": "evil.Evil"}}]}),
        "'auto_map' in processor_config.json",
    ),
    "custom_generate": (
        lambda f: edit_json(f / "generation_config.json", {"custom_generate": "some/repository"}),
        "'custom_generate' in generation_config.json",
    ),
    "trust_remote_code": (
        lambda f: edit_json(f / "adapter_config.json", {"trust_remote_code": True}),
        "'trust_remote_code' in adapter_config.json",
    ),
    "a compiled kernel": (
        lambda f: edit_json(f / "config.json", {"_attn_implementation": "some/kernel:attention"}),
        "'_attn_implementation' in config.json",
    ),
    "a Python file": (lambda f: (f / "modeling_evil.py").write_text(""), "contains modeling_evil.py"),
    "a Python file in a subfolder": (
        lambda f: ((f / "custom_generate").mkdir(), (f / "custom_generate/generate.py").write_text("")),
        "contains custom_generate/generate.py",
    ),
}


@pytest.mark.parametrize("kind", SMUGGLED)
def test_a_folder_that_names_code_is_refused_by_file_and_field(kind: str, tmp_path: Path):
    smuggle, message = SMUGGLED[kind]
    refuse_custom_code(tmp_path)
    smuggle(tmp_path)
    with pytest.raises(InputError, match=message.replace("/", r".")):
        refuse_custom_code(tmp_path)


@pytest.mark.parametrize("kind", SMUGGLED)
@pytest.mark.parametrize("load", ["model", "language model", "tokenizer", "RadBERT"])
def test_code_is_refused_before_anything_is_loaded(load: str, kind: str, tmp_path: Path, tiny_model_folder: Path):
    folder = Path(shutil.copytree(tiny_model_folder, tmp_path / "model"))
    SMUGGLED[kind][0](folder)
    write_checksums(folder)
    for name in ("RadBertClassifier.safetensors", "vocab.json", "merges.txt"):
        (folder / name).touch()
    loaders = {
        "model": lambda: ModelFolder.open(folder),
        "language model": lambda: create_model(folder, tmp_path / "new", tiny_config(100, 1)),
        "tokenizer": lambda: load_llama_tokenizer(folder, ModelConfig()),
        "RadBERT": lambda: RadBertLabeler(folder),
    }
    with pytest.raises(InputError, match="Code that comes with a model is never run"):
        loaders[load]()


def test_words_of_a_vocabulary_are_not_mistaken_for_settings(tmp_path: Path):
    edit_json(tmp_path / "tokenizer.json", {"model": {"vocab": {"auto_map": 7}}})
    edit_json(tmp_path / "config.json", {"auto_map": None, "_attn_implementation": "sdpa"})
    refuse_custom_code(tmp_path)


def test_a_gguf_file_may_lie_beside_python_files_but_not_beside_settings_that_name_code(tmp_path: Path):
    (tmp_path / "__init__.py").touch()
    refuse_custom_code(tmp_path, weights="model.gguf")
    SMUGGLED["auto_map of a tokenizer"][0](tmp_path)
    with pytest.raises(InputError, match="auto_map"):
        refuse_custom_code(tmp_path, weights="model.gguf")


def test_a_report_asks_nothing_and_runs_no_code_even_if_the_user_would_agree(
    reg2rg, monkeypatch, tmp_path: Path, tiny_model_folder: Path, phantom_files: tuple[Path, Path]
):
    folder, marker = Path(shutil.copytree(tiny_model_folder, tmp_path / "model")), tmp_path / "ran"
    (folder / "evil.py").write_text(EVIL.format(marker=str(marker)))
    SMUGGLED["auto_map of a tokenizer"][0](folder)
    write_checksums(folder)
    volume, regions = phantom_files
    answers = io.StringIO("y\n" * 100)
    monkeypatch.setattr(sys, "stdin", answers)
    finished = reg2rg("report", volume, "--regions", regions, "--model", folder, "-o", tmp_path / "out")
    assert answers.tell() == 0, "nothing was read"
    assert finished.returncode == 2 and finished.stdout == "" and not marker.exists()
    assert "contains evil.py. Code that comes with a model is never run" in finished.stderr
    assert not (tmp_path / "out").exists()


class Evil:
    """An object that creates a folder when it is unpickled without restrictions."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)

    def __reduce__(self) -> tuple:
        return os.mkdir, (self._folder,)


def test_weights_of_totalsegmentator_with_code_are_refused(tmp_path: Path):
    import numpy as np

    from reg2rg.segmentation.totalsegmentator import _refuse_pickled_code

    fold = tmp_path / "Dataset297_x" / "trainer" / "fold_0"
    fold.mkdir(parents=True)
    log = {"losses": [np.float64(1.0), np.float32(2.0)], "curve": np.ones(3), "device": torch.device("cpu")}
    torch.save({"network_weights": {"a": torch.ones(2)}, "logging": log}, fold / "checkpoint_final.pth")
    _refuse_pickled_code(tmp_path)
    torch.save({"network_weights": Evil(tmp_path / "ran")}, fold / "checkpoint_final.pth")
    with pytest.raises(InputError, match=r"checkpoint_final.pth contains code \(\w+.mkdir\), which is never run"):
        _refuse_pickled_code(tmp_path)
    assert not (tmp_path / "ran").exists()


# Lints: new calls that could run foreign code.


def calls(repository: Path) -> Iterator[tuple[Path, ast.Call, str]]:
    """Yield each call in the product, with the name of what it calls."""
    for room in ("Reg2RGExtension", "Reg2RGModule"):
        for file in sorted((repository / room).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    yield file, node, ast.unparse(node.func)


def unsafe(name: str, call: ast.Call) -> str | None:
    """Return why a call could run code of a file; None if it cannot."""
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    owner, _, method = name.rpartition(".")
    if method == "from_pretrained":
        missing = {"trust_remote_code": "False", "local_files_only": "True"}.items() - given.items()
        return f"lacks {dict(missing)}; use reg2rg.runtime.pretrained" if missing else None
    if method == "from_config" and owner.rpartition(".")[2].startswith("Auto"):
        return None if given.get("trust_remote_code") == "False" else "lacks trust_remote_code=False"
    if name == "torch.load":
        return None if given.get("weights_only") == "True" else "lacks weights_only=True"
    if name in ("pickle.load", "pickle.loads", "eval", "exec", "yaml.unsafe_load", "yaml.full_load", "joblib.load"):
        return "can run code"
    if name == "np.load" and given.get("allow_pickle", "False") != "False":
        return "can unpickle code"
    return None


def test_no_call_in_the_product_can_run_code_of_a_file(repository: Path):
    found = [
        f"{file.relative_to(repository)}:{call.lineno}: {name} {reason}"
        for file, call, name in calls(repository)
        if (reason := unsafe(name, call))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "line",
    [
        "AutoTokenizer.from_pretrained(folder)",
        "transformers.AutoModel.from_pretrained(folder, trust_remote_code=False)",
        "AutoModel.from_pretrained(folder, trust_remote_code=True, local_files_only=True)",
        "transformers.AutoModel.from_config(config)",
        "torch.load(file)",
        "pickle.loads(data)",
    ],
)
def test_the_lint_finds_unsafe_calls(line: str):
    call = ast.parse(line, mode="eval").body
    assert unsafe(ast.unparse(call.func), call)
