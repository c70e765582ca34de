"""RadBertLabeler with small random weights: the published arithmetic, and clear errors for what does not match."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import ByteLevelBPETokenizer

from reg2rg.errors import InputError
from reg2rg.labeler import LABELS
from reg2rg.labeler.radbert import RadBertLabeler
from reg2rg.runtime.third_party import import_transformers

transformers = import_transformers()

TEXTS = [
    "The heart is enlarged.",
    "No nodule was detected in both lungs. " * 40,
    "Atelectasis.",
    *(f"There is a {size} mm nodule in the right lung." for size in range(2, 40)),
]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder like the published one, with weights that make about half of the labels positive."""
    folder = tmp_path_factory.mktemp("radbert")
    tokenizer = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer.train_from_iterator(TEXTS, vocab_size=400, special_tokens=special, show_progress=False)
    tokenizer.save_model(str(folder))
    config = dict(model_type="roberta", vocab_size=400, hidden_size=32, num_hidden_layers=2, num_attention_heads=4)
    config |= dict(intermediate_size=64, max_position_embeddings=514, type_vocab_size=1, initializer_range=0.5)
    config |= dict(bos_token_id=0, pad_token_id=1, eos_token_id=2)
    (folder / "config.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    model = transformers.RobertaModel(transformers.AutoConfig.from_pretrained(folder))
    classifier = torch.nn.Linear(32, len(LABELS))
    state = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    state |= {f"classifier.{name}": tensor for name, tensor in classifier.state_dict().items()}
    state["model.embeddings.position_ids"] = torch.arange(514)[None]
    torch.save(state, folder / "RadBertClassifier.pth")
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "radbert"))


@pytest.fixture(scope="module")
def labeler(saved: Path) -> RadBertLabeler:
    return RadBertLabeler(saved)


def _published_labels(folder: Path, texts: list[str]) -> np.ndarray:
    """Return labels by the published arithmetic: one text at a time, padded to 512 tokens."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    state = torch.load(folder / "RadBertClassifier.pth", weights_only=True)
    model = transformers.RobertaModel(transformers.AutoConfig.from_pretrained(folder)).eval()
    model.load_state_dict(
        {name[6:]: t for name, t in state.items() if name.startswith("model.") and "position_ids" not in name}
    )
    rows = []
    for text in texts:
        tokens = tokenizer(text, max_length=512, padding="max_length", truncation=True, return_tensors="pt")
        with torch.no_grad():
            pooled = model(tokens["input_ids"], attention_mask=tokens["attention_mask"]).pooler_output
        logits = pooled @ state["classifier.weight"].T + state["classifier.bias"]
        rows.append(torch.sigmoid(logits)[0] >= 0.5)
    return torch.stack(rows).numpy()


def test_labels_match_the_published_arithmetic_in_the_order_of_the_texts(saved: Path, labeler: RadBertLabeler):
    labels = labeler.label(TEXTS)
    assert labels.shape == (len(TEXTS), 18) and labels.dtype == bool
    assert 0.1 < labels.mean() < 0.9 and len({row.tobytes() for row in labels}) > 1, "the labels depend on the text"
    np.testing.assert_array_equal(labels, _published_labels(saved, TEXTS))


def test_a_text_longer_than_the_model_can_read_is_truncated(saved: Path, labeler: RadBertLabeler):
    long = "nodule in the left lung " * 600
    np.testing.assert_array_equal(labeler.label([long]), _published_labels(saved, [long]))


def test_missing_and_empty_texts_are_read_as_a_space(labeler: RadBertLabeler):
    labels = labeler.label([" ", "", None, float("nan")])
    assert (labels == labels[0]).all()
    assert labeler.label([]).shape == (0, 18)


def test_the_name_identifies_the_weights(folder: Path, labeler: RadBertLabeler):
    assert RadBertLabeler(folder).name == labeler.name and labeler.name.startswith("radbert-")
    state = torch.load(folder / "RadBertClassifier.pth", weights_only=True)
    state["classifier.bias"] += 1
    torch.save(state, folder / "RadBertClassifier.pth")
    assert RadBertLabeler(folder).name != labeler.name


def test_weights_can_be_safetensors(folder: Path, labeler: RadBertLabeler):
    state = torch.load(folder / "RadBertClassifier.pth", weights_only=True)
    save_file(state, folder / "RadBertClassifier.safetensors")
    (folder / "RadBertClassifier.pth").unlink()
    np.testing.assert_array_equal(RadBertLabeler(folder).label(TEXTS), labeler.label(TEXTS))


def _change(folder: Path, **tensors: torch.Tensor | None) -> None:
    path = folder / "RadBertClassifier.pth"
    state = torch.load(path, weights_only=True) | {name.replace("__", "."): t for name, t in tensors.items()}
    torch.save({name: tensor for name, tensor in state.items() if tensor is not None}, path)


def test_missing_extra_and_misshapen_tensors_are_listed_by_name(folder: Path):
    _change(folder, classifier__bias=None, surprise=torch.zeros(1), classifier__weight=torch.zeros(14, 32))
    with pytest.raises(InputError) as error:
        RadBertLabeler(folder)
    assert str(folder) in str(error.value) and "classifier.bias is missing" in str(error.value)
    assert "surprise is not part of the model" in str(error.value)
    assert "classifier.weight has shape (14, 32), expected (18, 32)" in str(error.value)


class _Harmful:
    def __reduce__(self):
        return print, ("code from a file ran",)


DAMAGE = {
    "no weights": (
        lambda f: (f / "RadBertClassifier.pth").unlink(),
        "does not contain RadBertClassifier.safetensors or",
    ),
    "no config": (lambda f: (f / "config.json").unlink(), "does not contain a readable config"),
    "no tokenizer": (
        lambda f: [(f / name).unlink() for name in ("vocab.json", "merges.txt")],
        "does not contain vocab.json or merges.txt",
    ),
    "a truncated file": (lambda f: (f / "RadBertClassifier.pth").write_bytes(b"abc"), "not a readable weights file"),
    "code in the file": (lambda f: torch.save(_Harmful(), f / "RadBertClassifier.pth"), "not a readable weights file"),
    "no state dict": (lambda f: torch.save([1], f / "RadBertClassifier.pth"), "does not contain a state dict"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_folder_is_an_error_of_one_line(folder: Path, capsys: pytest.CaptureFixture, case: str):
    damage, message = DAMAGE[case]
    damage(folder)
    with pytest.raises(InputError, match=message) as error:
        RadBertLabeler(folder)
    assert "\n" not in str(error.value)
    assert "code from a file ran" not in capsys.readouterr().out
