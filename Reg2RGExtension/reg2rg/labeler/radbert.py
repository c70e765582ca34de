"""The published labeller: RadBERT, a RoBERTa whose pooled output a linear layer turns into 18 labels (reference C.2).

Its weights come with the published model (RadBertClassifier.pth); config and tokenizer are zzxslp/RadBERT-RoBERTa-4m.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from reg2rg.errors import InputError
from reg2rg.labeler.mention import LABELS
from reg2rg.runtime.third_party import declare_torchvision_ops

declare_torchvision_ops()  # before transformers, which imports torchvision where it is installed

from transformers import AutoConfig, AutoModel, AutoTokenizer  # noqa: E402

WEIGHTS_FILES = ("RadBertClassifier.safetensors", "RadBertClassifier.pth")
TOKENIZER_FILES = ("vocab.json", "merges.txt")
MAX_TOKENS = 512
BATCH_SIZE = 16
_OLD_BUFFER = "embeddings.position_ids"


class RadBertClassifier(nn.Module):
    """Token ids and attention mask (B, N) to logits (B, 18); parameters are named as published."""

    def __init__(self, config) -> None:
        super().__init__()
        self.model = AutoModel.from_config(config)
        self.classifier = nn.Linear(config.hidden_size, len(LABELS))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return self.classifier(self.model(input_ids=input_ids, attention_mask=attention_mask).pooler_output)


class RadBertLabeler:
    """A Labeler. A label is positive at a probability of 0.5 or more; the region of a text plays no part.

    Args:
        folder: config.json, TOKENIZER_FILES, and the weights as one of WEIGHTS_FILES.
        device: a torch device.

    InputError says what is missing in the folder, unreadable, or does not fit.
    """

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        weights = _weights_file(folder)
        missing = [name for name in TOKENIZER_FILES if not (folder / name).is_file()]
        if missing:  # transformers would make an empty tokenizer without a word
            raise InputError(f"{folder} holds no {' and no '.join(missing)}; they come with RadBERT-RoBERTa-4m.")
        try:
            config = AutoConfig.from_pretrained(folder, local_files_only=True)
            # The published code asks for do_lower_case, which RoBERTa's tokenizer does not know: case is kept.
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"{folder} holds no readable config and tokenizer of RadBERT-RoBERTa-4m ({reason})."
            ) from error
        self._classifier = RadBertClassifier(config)
        _load(self._classifier, weights)
        self._classifier.to(device).eval()
        self._device = device
        self.name = f"radbert-{hashlib.sha256(weights.read_bytes()).hexdigest()[:8]}"

    def label(self, texts: Sequence[str | float | None], region: str | None = None) -> np.ndarray:
        """See Labeler; a missing text (None, NaN) or an empty one is read as a blank."""
        read = [text if isinstance(text, str) and text else " " for text in texts]
        result = np.zeros((len(read), len(LABELS)), dtype=bool)
        by_length = sorted(range(len(read)), key=lambda row: len(read[row]))
        for start in range(0, len(read), BATCH_SIZE):
            rows = by_length[start : start + BATCH_SIZE]
            result[rows] = self._read([read[row] for row in rows])
        return result

    @torch.inference_mode()
    def _read(self, texts: list[str]) -> np.ndarray:
        tokens = self._tokenizer(texts, max_length=MAX_TOKENS, truncation=True, padding=True, return_tensors="pt")
        logits = self._classifier(tokens["input_ids"].to(self._device), tokens["attention_mask"].to(self._device))
        return (torch.sigmoid(logits) >= 0.5).cpu().numpy()


def _weights_file(folder: Path) -> Path:
    found = [folder / name for name in WEIGHTS_FILES if (folder / name).is_file()]
    if not found:
        raise InputError(f"{folder} holds none of {', '.join(WEIGHTS_FILES)}; they come with the published weights.")
    return found[0]


def _load(classifier: RadBertClassifier, path: Path) -> None:
    """Fill the classifier; InputError lists the tensors that are missing, left over or misshapen."""
    state = {name: tensor for name, tensor in _read_state(path).items() if not name.endswith(_OLD_BUFFER)}
    expected = classifier.state_dict()
    problems = [f"{name} is missing" for name in sorted(expected.keys() - state.keys())]
    problems += [f"{name} is not part of it" for name in sorted(state.keys() - expected.keys())]
    problems += [
        f"{name} has shape {tuple(state[name].shape)}, expected {tuple(expected[name].shape)}"
        for name in sorted(expected.keys() & state.keys())
        if state[name].shape != expected[name].shape
    ]
    if problems:
        raise InputError(f"{path} does not fit the classifier of its config: {'; '.join(problems)}.")
    classifier.load_state_dict(state)


def _read_state(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if not zipfile.is_zipfile(path):
            raise RuntimeError("cut off, or not written by torch.save")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} is not a readable file of weights ({reason}).") from error
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise InputError(f"{path} holds no state dict: a dict of tensors by name was expected.")
    return state
