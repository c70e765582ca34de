"""Model folders are saved, verified and loaded; damaged ones are refused with one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from parity import load_state
from tiny_model import save_tiny_model

from reg2rg.checkpoints import ModelFolder, model_folder
from reg2rg.checkpoints.checksums import sha256
from reg2rg.checkpoints.saving import save_model
from reg2rg.errors import InputError
from reg2rg.hub import find_model
from reg2rg.models.config import ModelConfig
from reg2rg.models.reg2rg import Reg2RG


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "tiny"))


def test_a_saved_model_loads_with_the_same_weights_and_config(folder: Path, tmp_path: Path):
    model = ModelFolder.open(folder).load()
    save_model(model, tmp_path / "again", card="card")
    again = ModelFolder.open(tmp_path / "again").load()
    assert again.config == model.config and not again.training
    for (name, ours), theirs in zip(model.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs), name
    assert ModelFolder.open(folder).weights_sha256 == ModelFolder.open(tmp_path / "again").weights_sha256


def test_word_embeddings_are_shared_after_loading(folder: Path):
    model = ModelFolder.open(folder).load()
    assert model.embedding_layer.weight is model.lang_model.get_input_embeddings().weight


def test_half_precision_halves_the_file_and_loads_as_float32(folder: Path, tmp_path: Path):
    save_model(ModelFolder.open(folder).load(), tmp_path / "half", dtype=torch.float16, card="card")
    sizes = [(f / "model.safetensors").stat().st_size for f in (folder, tmp_path / "half")]
    assert sizes[1] < 0.6 * sizes[0]
    assert ModelFolder.open(tmp_path / "half").load().embedding_layer.fc.weight.dtype == torch.float32


def test_config_survives_json():
    config = ModelConfig()
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _edit_config(folder: Path, **changes) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


DAMAGE = {
    "a flipped bit": (lambda f: _flip(f / "model.safetensors"), "model.safetensors is damaged"),
    "cut off": (lambda f: (f / "model.safetensors").write_bytes(b"abc"), "model.safetensors is damaged"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "model.safetensors is missing"),
    "no config": (lambda f: (f / "config.json").unlink(), "it has no config.json"),
    "broken config": (lambda f: (f / "config.json").write_text("{"), "is not valid JSON"),
    "unknown field": (lambda f: _edit_config(f, magic=1), "unknown fields: 'magic'"),
    "no checksums": (lambda f: (f / "SHA256SUMS").unlink(), "has no SHA256SUMS"),
    "bad checksums": (lambda f: (f / "SHA256SUMS").write_text("nonsense"), "not a list of checksums"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_folder_is_refused_with_one_line(folder: Path, case: str):
    damage, message = DAMAGE[case]
    damage(folder)
    with pytest.raises(InputError, match=message) as error:
        ModelFolder.open(folder).load()
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=message):
        ModelFolder.open(folder).verify()


def test_an_opened_folder_is_verified_only_once(folder: Path, monkeypatch: pytest.MonkeyPatch):
    hashed: list[str] = []

    def counting_sha256(path: Path) -> str:
        hashed.append(path.name)
        return sha256(path)

    monkeypatch.setattr(model_folder, "sha256", counting_sha256)
    opened = ModelFolder.open(folder)
    opened.verify()
    opened.load()
    # config.json is hashed when it is read, and the card may be edited.
    assert sorted(hashed) == sorted(set(opened.checksums) - {"config.json", "MODEL_CARD.md"})


def test_opened_folders_are_equal_until_the_config_changes(folder: Path):
    first = ModelFolder.open(folder)
    assert first == ModelFolder.open(folder) and hash(first) == hash(ModelFolder.open(folder))
    _edit_config(folder, name="other")
    assert first != ModelFolder.open(folder)


def test_missing_unexpected_and_misshapen_tensors_are_listed_by_name(folder: Path):
    model = ModelFolder.open(folder).load()
    state = model.state_dict()
    del state["embedding_layer.fc.bias"]
    state["embedding_layer.surprise"] = torch.zeros(2)
    state["embedding_layer.mask_fc.bias"] = torch.zeros(3)
    with pytest.raises(InputError) as error:
        load_state(model.config, state)
    assert "fc.bias is missing" in str(error.value)
    assert "surprise is not part" in str(error.value)
    assert "mask_fc.bias has shape (3,), expected (32,)" in str(error.value)


def test_rotary_buffers_of_old_checkpoints_are_ignored(folder: Path):
    model = ModelFolder.open(folder).load()
    state = model.state_dict()
    state["lang_model.model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.zeros(4)
    assert isinstance(load_state(model.config, state), Reg2RG)


def test_a_model_is_found_by_its_folder_and_an_unknown_name_is_refused(folder: Path):
    assert find_model(str(folder)) == folder
    with pytest.raises(InputError, match="Unknown model 'gpt'"):
        find_model("gpt")


def test_an_edited_card_neither_stops_a_model_nor_goes_unmentioned(folder: Path, models, monkeypatch, tmp_path: Path):
    monkeypatch.setenv("REG2RG_MODELS", str(folder.parent))
    assert "was edited" not in models().stdout
    (folder / "MODEL_CARD.md").write_text("# tiny\n\nMy own words.\n")
    ModelFolder.open(folder).load()
    listed = models()
    assert listed.returncode == 0 and listed.stdout.count("MODEL_CARD.md was edited; `reg2rg models sign` renews") == 1
    assert "My own words." in listed.stdout
    signed = models("sign", folder)
    assert (signed.returncode, signed.stdout, signed.stderr) == (0, f"{folder}\n", "MODEL_CARD.md: changed\n")
    assert not ModelFolder.open(folder).is_card_edited and "was edited" not in models().stdout
    assert models("sign", folder).stderr == "Nothing has changed.\n"


def test_signing_lists_every_difference_and_refuses_what_is_not_a_model(folder: Path, models, tmp_path: Path):
    (folder / "notes.txt").write_text("mine")
    (folder / "MODEL_CARD.md").unlink()
    assert models("sign", folder).stderr == "MODEL_CARD.md: removed\nnotes.txt: added\n"
    assert models("sign", tmp_path / "absent").returncode == 2
    (folder / "evil.py").touch()
    refused = models("sign", folder)
    assert refused.returncode == 2 and "contains evil.py" in refused.stderr
