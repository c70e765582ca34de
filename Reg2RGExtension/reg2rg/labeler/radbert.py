"""The published labeler: RadBERT, a RoBERTa encoder with a linear layer that maps its pooled output to 18 labels.

The weights come with the published model (RadBertClassifier.pth); the config and tokenizer are those of
https://huggingface.co/zzxslp/RadBERT-RoBERTa-4m.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from reg2rg.errors import InputError
from reg2rg.labeler.mention import LABELS
from reg2rg.runtime.pretrained import load_pretrained
from reg2rg.runtime.state_dict import list_misfits, refuse_misfits
from reg2rg.runtime.third_party import import_transformers

if TYPE_CHECKING:
    from transformers import PretrainedConfig

transformers = import_transformers()

WEIGHTS_FILES = ("RadBertClassifier.safetensors", "RadBertClassifier.pth")
TOKENIZER_FILES = ("vocab.json", "merges.txt")
MAX_TOKENS = 512
BATCH_SIZE = 16
THRESHOLD = 0.5
_OBSOLETE_BUFFER = "embeddings.position_ids"


class RadBertClassifier(nn.Module):
    """The network, with the parameter names of the published weights.

    Args:
        config: config of the encoder.
    """

    def __init__(self, config: PretrainedConfig) -> None:
        super().__init__()
        self.model = transformers.AutoModel.from_config(config, trust_remote_code=False)
        self.classifier = nn.Linear(config.hidden_size, len(LABELS))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return logits of shape (B, 18) for token ids and an attention mask of shape (B, N)."""
        pooled: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).pooler_output
        logits: Tensor = self.classifier(pooled)
        return logits


class RadBertLabeler:
    """RadBERT as a Labeler. A label is positive at a probability of 0.5 or more; the region of a text is ignored.

    Args:
        folder: folder with config.json, TOKENIZER_FILES, and one of WEIGHTS_FILES.
        device: torch device.

    Attributes:
        name: "radbert-" and a digest of the weights.

    Raises:
        InputError: a file is missing or unreadable, or the weights do not match the config.
    """

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        weights = _weights_file(folder)
        missing = [name for name in TOKENIZER_FILES if not (folder / name).is_file()]
        if missing:  # transformers would create an empty tokenizer without an error
            raise InputError(
                f"{folder} does not contain {' or '.join(missing)}; the files come with the model RadBERT-RoBERTa-4m."
            )
        try:
            config = load_pretrained("AutoConfig", folder)
            # The published code passes do_lower_case, which RoBERTa's tokenizer ignores: case is kept.
            self._tokenizer = load_pretrained("AutoTokenizer", folder)
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"{folder} does not contain a readable config and tokenizer of RadBERT-RoBERTa-4m ({reason})."
            ) from error
        self._classifier = RadBertClassifier(config)
        _load_weights(self._classifier, weights)
        self._classifier.to(device).eval()
        self._device = device
        self.name = f"radbert-{hashlib.sha256(weights.read_bytes()).hexdigest()[:8]}"

    def label(self, texts: Sequence[str | float | None], region: str | None = None) -> np.ndarray:
        """Label texts; see Labeler.label.

        Args:
            texts: N texts. A missing text (None, NaN) or an empty one is read as a single space.
            region: ignored.

        Returns:
            Boolean array of shape (N, 18), with columns in the order of LABELS.
        """
        cleaned = [text if isinstance(text, str) and text else " " for text in texts]
        labels = np.zeros((len(cleaned), len(LABELS)), dtype=bool)
        by_length = sorted(range(len(cleaned)), key=lambda row: len(cleaned[row]))
        for start in range(0, len(cleaned), BATCH_SIZE):
            rows = by_length[start : start + BATCH_SIZE]
            labels[rows] = self._label_batch([cleaned[row] for row in rows])
        return labels

    @torch.inference_mode()
    def _label_batch(self, texts: list[str]) -> np.ndarray:
        tokens = self._tokenizer(texts, max_length=MAX_TOKENS, truncation=True, padding=True, return_tensors="pt")
        logits = self._classifier(tokens["input_ids"].to(self._device), tokens["attention_mask"].to(self._device))
        return (torch.sigmoid(logits) >= THRESHOLD).cpu().numpy()


def _weights_file(folder: Path) -> Path:
    found = [folder / name for name in WEIGHTS_FILES if (folder / name).is_file()]
    if not found:
        raise InputError(
            f"{folder} does not contain {' or '.join(WEIGHTS_FILES)}; the weights come with the published model."
        )
    return found[0]


def _load_weights(classifier: RadBertClassifier, path: Path) -> None:
    """Load the weights; InputError if tensors are missing, unexpected, or misshapen."""
    state = {name: tensor for name, tensor in _read_state(path).items() if not name.endswith(_OBSOLETE_BUFFER)}
    expected = {name: tensor.shape for name, tensor in classifier.state_dict().items()}
    given = {name: tensor.shape for name, tensor in state.items()}
    refuse_misfits(list_misfits(expected, given), weights=f"The weights in {path}")
    classifier.load_state_dict(state)


def _read_state(path: Path) -> dict[str, Tensor]:
    """Read a state dict; InputError if the file is not one. Code in a pickle is never run."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if not zipfile.is_zipfile(path):
            raise RuntimeError("truncated, or not written by torch.save")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} is not a readable weights file ({reason}).") from error
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise InputError(f"{path} does not contain a state dict; expected a dict of tensors by name.")
    return state
