"""What is installed on this machine: models, versions, devices and segmenters."""

from __future__ import annotations

import importlib.util
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reg2rg.errors import InputError
from reg2rg.runtime.versions import versions

if TYPE_CHECKING:
    from reg2rg.checkpoints import ModelFolder


@dataclass(frozen=True)
class ModelInformation:
    """Description of a model folder on disk.

    Attributes:
        folder: the folder.
        about: first paragraph of its model card.
        memory: memory needed for a report of ten regions, in each precision, as text.
        megabytes: size of all its files.
        sha256: SHA-256 of its weights. None if it is unknown because of ``problem``.
        problem: why the model cannot be used. None if all files match their checksums.
        is_card_edited: whether the model card was edited since its checksum was written.
    """

    folder: Path
    about: str
    memory: str
    megabytes: float
    sha256: str | None
    problem: str | None
    is_card_edited: bool


def describe_model(folder: Path) -> ModelInformation:
    """Describe a model folder, and verify the checksums of its files."""
    from reg2rg.checkpoints import CARD_FILE, ModelFolder

    memory, sha256, problem, is_card_edited = "an unknown amount of memory", None, None, False
    try:
        opened = ModelFolder.open(folder)
        sha256 = opened.weights_sha256
        is_card_edited = opened.is_card_edited
        opened.verify()
        memory = _memory_in_words(opened)
    except InputError as error:
        problem = str(error)
    card = folder / CARD_FILE
    megabytes = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
    about = _first_paragraph(card.read_text(encoding="utf-8", errors="replace")) if card.is_file() else ""
    return ModelInformation(folder, about, memory, megabytes, sha256, problem, is_card_edited)


def _memory_in_words(folder: ModelFolder) -> str:
    from reg2rg.inference.memory import ModelSize, format_bytes, memory_needed

    size = ModelSize.from_shapes(folder.read_shapes())
    precisions = ("fp32", "bf16", "8bit", "4bit")
    return ", ".join(f"{format_bytes(memory_needed(folder.config, size, name).total)} in {name}" for name in precisions)


def describe_installation() -> dict[str, str]:
    """Return what a bug report needs: versions, devices, segmenters and models."""
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
    return "with weights" if weights_available() else "installed without weights"


def _first_paragraph(card: str) -> str:
    """Return the first paragraph of a Markdown text that is not a heading, as one line."""
    body = card.split("---", 2)[2] if card.startswith("---") else card  # a model card may begin with YAML
    paragraphs = (part.strip() for part in body.split("\n\n"))
    return " ".join(next((part for part in paragraphs if part and not part.startswith("#")), "").split())
