"""What is installed here: models, versions, devices, segmenters."""

from __future__ import annotations

import importlib.util
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reg2rg.errors import InputError
from reg2rg.runtime.versions import versions

if TYPE_CHECKING:
    from reg2rg.models.config import ModelConfig


@dataclass(frozen=True)
class ModelInformation:
    """A model folder as it lies on the disk.

    Attributes:
        about: first paragraph of its model card.
        memory: what a report of ten regions needs in each precision, in words.
        megabytes: size of all its files.
        sha256: hash of its weights; None if ``problem`` keeps it from being known.
        problem: why it cannot be used; None if all its files agree with their checksums.
    """

    folder: Path
    about: str
    memory: str
    megabytes: float
    sha256: str | None
    problem: str | None


def describe_model(folder: Path) -> ModelInformation:
    """Look at a model folder and check its files against their checksums."""
    from reg2rg.checkpoints import CARD_FILE, ModelFolder

    memory, sha256, problem = "an unknown amount of memory", None, None
    try:
        opened = ModelFolder.open(folder)
        sha256 = opened.weights_sha256
        opened.verify()
        memory = _memory_in_words(opened.config)
    except InputError as error:
        problem = str(error)
    card = folder / CARD_FILE
    megabytes = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
    about = _first_paragraph(card.read_text()) if card.is_file() else ""
    return ModelInformation(folder, about, memory, megabytes, sha256, problem)


def _memory_in_words(config: ModelConfig) -> str:
    from reg2rg.inference.memory import ModelSize, format_bytes, memory_needed

    size = ModelSize.from_config(config)
    precisions = ("fp32", "bf16", "8bit", "4bit")
    return ", ".join(f"{format_bytes(memory_needed(config, size, name).total)} in {name}" for name in precisions)


def describe_installation() -> dict[str, str]:
    """What a bug report needs: versions, devices, segmenters, models, by name."""
    from reg2rg.hub import list_models
    from reg2rg.runtime.devices import list_devices
    from reg2rg.runtime.resources import resources_folder

    return {
        **versions(),
        "system": platform.platform(),
        "devices": "; ".join(list_devices()),
        "segmenters": f"thresholds; totalsegmentator ({_totalsegmentator_state()})",
        "models": ", ".join(folder.name for folder in list_models()) or "none",
        "resources": str(resources_folder()),
    }


def _totalsegmentator_state() -> str:
    from reg2rg.segmentation.totalsegmentator import weights_available

    if importlib.util.find_spec("totalsegmentator") is None:
        return "not installed"
    return "with weights" if weights_available() else "installed, weights absent"


def _first_paragraph(card: str) -> str:
    """The first lines of a Markdown text that are no heading, as one line."""
    body = card.split("---", 2)[2] if card.startswith("---") else card  # a card may begin with YAML
    paragraphs = (part.strip() for part in body.split("\n\n"))
    return " ".join(next((part for part in paragraphs if part and not part.startswith("#")), "").split())
