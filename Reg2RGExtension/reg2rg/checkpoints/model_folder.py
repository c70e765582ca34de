"""Model folders: ``config.json``, ``model.safetensors``, the tokenizer, ``MODEL_CARD.md`` and their checksums."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from reg2rg.checkpoints.checksums import CHECKSUMS_FILE, read_checksums, sha256
from reg2rg.checkpoints.legacy import upgrade_config
from reg2rg.errors import InputError
from reg2rg.models.config import ModelConfig
from reg2rg.runtime.dataclass_io import parse_json
from reg2rg.runtime.pretrained import refuse_custom_code
from reg2rg.runtime.staging import utf8_path

if TYPE_CHECKING:  # imports torch
    from reg2rg.models.reg2rg import Reg2RG
    from reg2rg.runtime.state_dict import Shape

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "MODEL_CARD.md"

_LOADED_SUFFIXES = (".json", ".txt", ".model", ".jinja", ".safetensors")
"""Suffixes of files that the config, the weights and the tokenizer are read from."""


@dataclass
class ModelFolder:
    """A model folder whose config and checksums have been read, each once.

    Two objects are equal if they refer to the same folder with the same config and files.

    Attributes:
        path: the folder.
        config: the model's configuration.
        checksums: file name -> SHA-256, as listed in SHA256SUMS.
    """

    path: Path
    config: ModelConfig
    checksums: Mapping[str, str]
    _config_sha256: str = field(repr=False)
    _verified: bool = field(default=False, compare=False, repr=False)

    @classmethod
    def open(cls, path: Path) -> ModelFolder:
        """Read the config and the checksums of a model folder.

        Args:
            path: the folder.

        Returns:
            The opened folder. Its files have not been verified.

        Raises:
            InputError: the folder comes with code, or has no valid config or list of checksums.
        """
        refuse_custom_code(path)
        file = path / CONFIG_FILE
        try:
            content = file.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise InputError(
                f"{path} is not a model folder: it has no {CONFIG_FILE}. `reg2rg models` lists the installed models."
            ) from None
        config = parse_config(content.decode(errors="replace"), str(file))
        checksums = read_checksums(path)
        if WEIGHTS_FILE not in checksums:
            raise InputError(f"{path / CHECKSUMS_FILE} does not list {WEIGHTS_FILE}.")
        return cls(path, config, checksums, hashlib.sha256(content).hexdigest())

    def __hash__(self) -> int:
        return hash((self.path, self.weights_sha256))

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the weights, as listed in SHA256SUMS."""
        return self.checksums[WEIGHTS_FILE]

    @property
    def is_card_edited(self) -> bool:
        """Whether MODEL_CARD.md differs from its checksum, or was removed. It does not affect what the model does."""
        expected, card = self.checksums.get(CARD_FILE), self.path / CARD_FILE
        return expected is not None and (not card.is_file() or sha256(card) != expected)

    def verify(self) -> None:
        """Verify the checksum of every file except the card, which may be edited. Later calls do nothing.

        Raises:
            InputError: a file is missing or damaged, or a file that may be loaded has no checksum.
        """
        if self._verified:
            return
        loaded = (file.name for file in self.path.iterdir() if file.suffix in _LOADED_SUFFIXES and file.name[0] != ".")
        if unlisted := sorted(set(loaded) - set(self.checksums)):
            raise InputError(
                f"{self.path / CHECKSUMS_FILE} does not list {', '.join(unlisted)}, so what is loaded cannot be "
                "verified; copy or download the model again, or sign it with `reg2rg models sign` if you trust it."
            )
        for name, expected in self.checksums.items():
            if name == CARD_FILE:
                continue
            file = self._file(name)
            actual = self._config_sha256 if name == CONFIG_FILE else sha256(file)
            if actual != expected:
                raise InputError(
                    f"{file} is damaged: its SHA-256 does not match {CHECKSUMS_FILE}; copy or download the model again."
                )
        self._verified = True

    def read_shapes(self) -> dict[str, Shape]:
        """Read the name and shape of every stored tensor, without loading it.

        Raises:
            InputError: the weights are missing or not a valid safetensors file.
        """
        from reg2rg.checkpoints.weights_file import read_shapes

        with utf8_path(self._file(WEIGHTS_FILE)) as path:
            return read_shapes(Path(path))

    def stored_dtype(self) -> Literal["float16", "bfloat16", "float32"] | None:
        """Return the data type that all weights are stored in; None if there are several or other ones."""
        from safetensors import safe_open

        with utf8_path(self._file(WEIGHTS_FILE)) as path, safe_open(path, "numpy") as file:
            types = {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
        known: dict[str, Literal["float16", "bfloat16", "float32"]] = {
            "F16": "float16",
            "BF16": "bfloat16",
            "F32": "float32",
        }
        return known.get(types.pop()) if len(types) == 1 else None

    def load(self, device: str = "cpu", precision: str = "fp32") -> Reg2RG:
        """Verify the files and load the model.

        At any time, at most the model and one additional tensor are in memory.

        Args:
            device: torch device.
            precision: precision of the language model, one of reg2rg.models.precision.PRECISIONS.

        Returns:
            The model with its tokenizer, in evaluation mode.

        Raises:
            InputError: a file is missing or damaged, or the weights do not match the config.
        """
        from reg2rg.checkpoints.assembly import assemble
        from reg2rg.checkpoints.tokenizer import load_tokenizer
        from reg2rg.checkpoints.weights_file import open_weights

        self.verify()
        with utf8_path(self.path) as path:
            shapes, read = open_weights(Path(path, WEIGHTS_FILE))
            model = assemble(self.config, shapes, read, device, precision)
            model.tokenizer = load_tokenizer(Path(path))
        return model.eval()

    def _file(self, name: str) -> Path:
        file = self.path / name
        if not file.is_file():
            raise InputError(f"{file} is missing from the model folder; copy or download the model again.")
        return file


def parse_config(content: str, name: str) -> ModelConfig:
    """Parse the content of a config.json.

    Args:
        content: the file's content.
        name: path of the file; error messages begin with it.

    Returns:
        The configuration.

    Raises:
        InputError: the content is not a valid configuration.
    """
    values = parse_json(content, name)
    try:
        return ModelConfig.from_dict(upgrade_config(values))
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
